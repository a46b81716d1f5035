/* Reading the command line by the table of commands. */
#include "base/suggest.h"
#include "base/units.h"
#include "client/command.h"

const struct command *command_find(struct text path) {
    for (size_t i = 0; i < command_count; i++)
        if (text_equal(path, text_of(commands[i].path)))
            return &commands[i];
    return NULL;
}

bool command_is_group(struct text path) {
    for (size_t i = 0; i < command_count; i++) {
        struct text other = text_of(commands[i].path);
        if (path.len == 0 || (text_starts(other, path) && other.at[path.len] == ' '))
            return true;
    }
    return false;
}

const struct flag *flag_find(const struct flag *table, struct text name) {
    for (; table != NULL && table->name != NULL; table++)
        if (text_equal(name, text_of(table->name)))
            return table;
    return NULL;
}

struct text call_flag(const struct call *call, const char *name) {
    for (size_t i = call->flag_count; i-- > 0;)
        if (strcmp(call->flags[i].flag->name, name) == 0)
            return call->flags[i].value;
    return (struct text){0};
}

bool call_has(const struct call *call, const char *name) {
    return call_flag(call, name).at != NULL;
}

struct text call_operand(const struct call *call) {
    return call->operand_count > 0 ? call->operands[0] : (struct text){0};
}

/* Adds the word to the path if the result is a command or a group. */
static bool path_extend(struct call *call, struct text word) {
    struct buffer path = buffer_over(call->path_memory, sizeof(call->path_memory));
    path.len = call->path.len;
    if (path.len > 0)
        buffer_byte(&path, ' ');
    buffer_add(&path, word);
    if (path.overflow || word.len == 0)
        return false;
    const struct command *command = command_find(buffer_text(&path));
    if (command == NULL && !command_is_group(buffer_text(&path)))
        return false;
    call->path = buffer_text(&path);
    call->command = command;
    return true;
}

struct text command_next_word(const struct command *command, struct text path) {
    struct text whole = text_of(command->path);
    size_t start = path.len > 0 ? path.len + 1 : 0;
    if (!text_starts(whole, path) || whole.len <= start || (start > 0 && whole.at[path.len] != ' '))
        return (struct text){0};
    const char *word = whole.at + start;
    return (struct text){word, strcspn(word, " ")};
}

static bool word_refuse(const struct call *call, struct text word, struct buffer *ret_message) {
    struct suggestion suggestion = suggest_for(word);
    for (size_t i = 0; i < command_count; i++)
        if (!commands[i].is_hidden)
            suggest_try(&suggestion, command_next_word(&commands[i], call->path));
    buffer_put(ret_message, "unknown command \"");
    buffer_add(ret_message, call->path);
    buffer_put(ret_message, call->path.len > 0 ? " " : "");
    buffer_add(ret_message, word);
    buffer_byte(ret_message, '"');
    suggest_write(&suggestion, "", ret_message);
    return false;
}

static size_t operands_max(const struct command *command) {
    if (command->operand == NULL)
        return 0;
    return strstr(command->operand, "...") != NULL ? CALL_OPERANDS_MAX : 1;
}

static bool word_read(struct call *call, struct text word, struct buffer *ret_message) {
    if (call->command == NULL)
        return path_extend(call, word) || word_refuse(call, word, ret_message);
    size_t operands = operands_max(call->command);
    if (operands == 0 && path_extend(call, word)) /* audit, audit verify */
        return true;
    if (call->operand_count == operands) {
        buffer_format(ret_message, "mint %s takes no further operand \"", call->command->path);
        buffer_add(ret_message, word);
        buffer_byte(ret_message, '"');
        return false;
    }
    call->operands[call->operand_count++] = word;
    return true;
}

/* Whether the word is one of those between the bars. */
static bool choice_has(const char *choices, struct text word) {
    for (const char *at = choices;; at++) {
        size_t len = strcspn(at, "|");
        if (text_equal(word, (struct text){at, len}))
            return true;
        at += len;
        if (*at == '\0')
            return false;
    }
}

static bool value_is_good(const struct flag *flag, struct text value) {
    uint64_t number;
    switch (flag->type) {
    case FLAG_TEXT:
    case FLAG_BOOL:
    case FLAG_JSON:
        return true;
    case FLAG_CHOICE:
        return choice_has(flag->value, value);
    case FLAG_TIME:
        return unit_read(value, UNIT_S, UINT32_MAX, &number);
    case FLAG_SIZE:
        return unit_read(value, UNIT_BYTES, UINT32_MAX, &number);
    case FLAG_NUMBER:
        return unit_read(value, UNIT_NONE, UINT32_MAX, &number);
    case FLAG_PAIR:
        return value.len > 0 && value.at[0] != '=' && memchr(value.at, '=', value.len) != NULL;
    }
    return false;
}

static bool value_refuse(const struct flag *flag, struct text value, struct buffer *ret_message) {
    static const char *const wanted[] = {
        [FLAG_TIME] = "a time such as 3600, 30m or 1h",
        [FLAG_SIZE] = "a size such as 4096 or 4KiB",
        [FLAG_NUMBER] = "a whole number",
        [FLAG_PAIR] = "key=value",
        [FLAG_CHOICE] = "one of ",
    };
    buffer_format(ret_message, "--%s must be %s%s, not \"", flag->name, wanted[flag->type],
                  flag->type == FLAG_CHOICE ? flag->value : "");
    buffer_add(ret_message, value);
    buffer_byte(ret_message, '"');
    return false;
}

static bool flag_refuse(const struct call *call, struct text name, struct buffer *ret_message) {
    struct suggestion suggestion = suggest_for(name);
    for (const struct flag *flag = global_flags; flag->name != NULL; flag++)
        suggest_try(&suggestion, text_of(flag->name));
    if (call->command != NULL && call->command->flags != NULL)
        for (const struct flag *flag = call->command->flags; flag->name != NULL; flag++)
            suggest_try(&suggestion, text_of(flag->name));
    buffer_put(ret_message, "unknown flag --");
    buffer_add(ret_message, name);
    suggest_write(&suggestion, "--", ret_message);
    return false;
}

/* The name of the flag that an argument is, without the value behind a '='. */
static struct text flag_name(const char *argument) {
    if (strcmp(argument, "-h") == 0)
        return TEXT("help");
    if (strcmp(argument, "-q") == 0)
        return TEXT("quiet");
    if (strcmp(argument, "-y") == 0)
        return TEXT("yes");
    const char *name = argument + (argument[1] == '-' ? 2 : 1);
    return (struct text){name, strcspn(name, "=")};
}

static bool flag_add(struct call *call, const struct flag *flag, struct text value,
                     struct buffer *ret_message) {
    if (!value_is_good(flag, value))
        return value_refuse(flag, value, ret_message);
    if (call->flag_count == CALL_FLAGS_MAX) {
        buffer_format(ret_message, "there are more than %d flags", CALL_FLAGS_MAX);
        return false;
    }
    call->flags[call->flag_count++] = (struct call_flag){flag, value};
    return true;
}

/* Reads the flag at the front; `ret_used` is 1, or 2 with a value of its own. */
static bool flag_read(struct call *call, int count, char *const *arguments, int *ret_used,
                      struct buffer *ret_message) {
    struct text name = flag_name(arguments[0]);
    const struct flag *flag = flag_find(global_flags, name);
    if (flag == NULL && call->command != NULL)
        flag = flag_find(call->command->flags, name);
    if (flag == NULL)
        return flag_refuse(call, name, ret_message);
    const char *value = strchr(arguments[0], '=');
    *ret_used = value == NULL && flag->type != FLAG_BOOL ? 2 : 1;
    if ((flag->type == FLAG_BOOL && value != NULL) || *ret_used > count) {
        buffer_format(ret_message, "--%s %s", flag->name,
                      flag->type == FLAG_BOOL ? "takes no value" : "needs a value");
        return false;
    }
    if (flag->type == FLAG_BOOL)
        return flag_add(call, flag, TEXT("true"), ret_message);
    return flag_add(call, flag, text_of(value != NULL ? value + 1 : arguments[1]), ret_message);
}

/* What is still missing once every argument was read. */
static bool call_check(const struct call *call, struct buffer *ret_message) {
    const struct command *command = call->command;
    if (command == NULL || call_has(call, "help"))
        return true;
    if (command->operand != NULL && command->operand[0] != '[' && call->operand_count == 0) {
        buffer_format(ret_message, "mint %s needs %s", command->path, command->operand);
        return false;
    }
    if (call->operand_count > 0 && call->operands[0].len == 0) {
        buffer_format(ret_message, "%s must not be empty", command->operand);
        return false;
    }
    return true;
}

bool call_read(int count, char *const *arguments, struct call *ret_call,
               struct buffer *ret_message) {
    bool has_ended = false; /* by --: what follows is no flag */
    *ret_call = (struct call){0};
    for (int i = 0, used; i < count; i += used) {
        const char *argument = arguments[i];
        bool is_flag = argument[0] == '-' && argument[1] != '\0' && !has_ended;
        used = 1;
        if (is_flag && strcmp(argument, "--") == 0)
            has_ended = true;
        else if (is_flag ? !flag_read(ret_call, count - i, arguments + i, &used, ret_message)
                         : !word_read(ret_call, text_of(argument), ret_message))
            return false;
    }
    return call_check(ret_call, ret_message);
}
