/* The help of every command, its group and the whole program, from the table of commands. */
#include "client/run.h"

#define COLUMNS 100
#define INDENT 30

/* Breaks the text at spaces; the first line starts where the cursor is, the others at `indent`. */
static void wrapped_write(struct buffer *out, size_t column, size_t indent, struct text text) {
    bool is_first = true;
    while (text.len > 0) {
        size_t word = 0;
        while (word < text.len && text.at[word] != ' ')
            word++;
        if (!is_first && column + 1 + word > COLUMNS) {
            buffer_format(out, "\n%*s", (int)indent, "");
            column = indent;
        } else if (!is_first) {
            buffer_byte(out, ' ');
            column++;
        }
        buffer_add(out, (struct text){text.at, word});
        column += word;
        is_first = false;
        word += word < text.len;
        text = (struct text){text.at + word, text.len - word};
    }
    buffer_byte(out, '\n');
}

/* "  left            right", the right side wrapped in its column. */
static void row_write(struct buffer *out, struct text left, const char *right) {
    size_t column = left.len + 2;
    buffer_put(out, "  ");
    buffer_add(out, left);
    if (column + 2 > INDENT) {
        buffer_byte(out, '\n');
        column = 0;
    }
    buffer_format(out, "%*s", (int)(INDENT - column), "");
    wrapped_write(out, INDENT, INDENT, text_of(right));
}

static void flag_write(const struct flag *flag, struct buffer *out) {
    buffer_format(out, "--%s", flag->name);
    if (flag->value != NULL)
        buffer_format(out, " %s", flag->value);
}

static void flags_write(const char *title, const struct flag *flags, struct buffer *out) {
    if (flags == NULL)
        return;
    buffer_format(out, "\n%s:\n", title);
    for (; flags->name != NULL; flags++) {
        char memory[128];
        struct buffer left = buffer_over(memory, sizeof(memory));
        flag_write(flags, &left);
        row_write(out, buffer_text(&left), flags->help);
    }
}

static void examples_write(const char *example, struct buffer *out) {
    buffer_put(out, "\nexample:\n");
    for (const char *at = example; *at != '\0';) {
        size_t len = strcspn(at, "\n");
        buffer_put(out, "  ");
        buffer_add(out, (struct text){at, len});
        buffer_byte(out, '\n');
        at += len + (at[len] == '\n');
    }
}

static void command_write(const struct command *command, struct buffer *out) {
    buffer_format(
        out, "usage: mint %s%s%s%s\n\n", command->path, command->operand != NULL ? " " : "",
        command->operand != NULL ? command->operand : "", command->flags != NULL ? " [flags]" : "");
    wrapped_write(out, 0, 0, text_of(command->description));
    flags_write("flags", command->flags, out);
    examples_write(command->example, out);
    flags_write("global flags", global_flags, out);
}

static void group_write(struct text path, struct buffer *out) {
    buffer_put(out, "\ncommands:\n");
    for (size_t i = 0; i < command_count; i++) {
        char memory[128];
        struct buffer left = buffer_over(memory, sizeof(memory));
        struct text name = text_of(commands[i].path);
        bool is_below = path.len == 0 || (text_starts(name, path) && name.at[path.len] == ' ');
        if (!is_below || commands[i].is_hidden)
            continue;
        buffer_format(&left, "%s%s%s", commands[i].path, commands[i].operand != NULL ? " " : "",
                      commands[i].operand != NULL ? commands[i].operand : "");
        row_write(out, buffer_text(&left), commands[i].summary);
    }
}

void help_write(struct text path, struct buffer *out) {
    const struct command *command = command_find(path);
    if (command != NULL) {
        command_write(command, out);
        return;
    }
    buffer_put(out, "usage: mint ");
    buffer_add(out, path);
    buffer_put(out, path.len > 0 ? " COMMAND ...\n" : "COMMAND ...\n\n");
    if (path.len == 0)
        wrapped_write(out, 0, 0, text_of(HELP_ABOUT));
    group_write(path, out);
    flags_write("global flags", global_flags, out);
    buffer_put(out, "\n");
    wrapped_write(out, 0, 0, text_of(HELP_STATUS));
}

enum status run_help(struct client *client, const struct call *call) {
    char memory[128];
    struct buffer path = buffer_over(memory, sizeof(memory));
    for (size_t i = 0; i < call->operand_count; i++) {
        buffer_put(&path, i > 0 ? " " : "");
        buffer_add(&path, call->operands[i]);
    }
    if (path.overflow ||
        (command_find(buffer_text(&path)) == NULL && !command_is_group(buffer_text(&path))))
        return client_refuse(client, call, "there is no command \"%.*s\"", (int)path.len, path.at);
    help_write(buffer_text(&path), &client->out);
    return STATUS_FINE;
}
