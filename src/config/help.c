/* The settings for people: `mintd config`, --help and the table of the documents. */
#include "config/private.h"

#define COLUMNS 100
#define INDENT 28

static void buffer_fill(struct buffer *out, size_t start, size_t column) {
    do
        buffer_byte(out, ' ');
    while (out->len - start < column && !out->overflow);
}

static void source_write(const struct config *config, size_t i, struct buffer *out) {
    const struct setting *row = &setting_rows[i];
    switch (config->origins[i].source) {
    case SOURCE_DEFAULT:
        buffer_put(out, "default");
        break;
    case SOURCE_FILE:
        buffer_format(out, "%s:%u", config->path, config->origins[i].line);
        break;
    case SOURCE_ENVIRONMENT:
        setting_variable(row, out);
        break;
    case SOURCE_FLAG:
        buffer_format(out, "--%s", row->name);
        break;
    }
}

/* Whether a value must stand in quotes in a file: it would be cut short otherwise. */
static bool needs_quotes(struct text value) {
    if (value.len == 0)
        return false;
    char first = value.at[0], last = value.at[value.len - 1];
    return first == ' ' || first == '#' || first == '"' || last == ' ' ||
           memmem(value.at, value.len, " #", 2) != NULL;
}

static void value_print(const struct setting *row, const struct settings *settings,
                        struct buffer *out) {
    char memory[SETTING_TEXT_BYTES_MAX * 2]; /* a short password is shown longer */
    struct buffer value = buffer_over(memory, sizeof(memory));
    setting_show(row, settings, &value);
    const char *quote = needs_quotes(buffer_text(&value)) ? "\"" : "";
    buffer_put(out, quote);
    buffer_add(out, buffer_text(&value));
    buffer_put(out, quote);
}

void config_print(const struct config *config, struct buffer *out) {
    magic_check(config, CONFIG_MAGIC);
    for (size_t i = 0; i < SETTINGS; i++) {
        const struct setting *row = &setting_rows[i];
        size_t start = out->len;
        buffer_format(out, "%s = ", row->name);
        value_print(row, &config->settings, out);
        buffer_fill(out, start, 48);
        buffer_put(out, "# ");
        source_write(config, i, out);
        buffer_byte(out, '\n');
    }
}

/* What stands for the value in the help. */
static const char *value_word(const struct setting *row) {
    static const char *const forms[] = {
        [FORM_ADDRESS] = "ADDRESS", [FORM_ADDRESS_OR_NONE] = "ADDRESS",
        [FORM_PATH] = "PATH",       [FORM_REGISTRY] = "URL",
        [FORM_KEY] = "HEX",         [FORM_URL] = "URL",
        [FORM_BRAND] = "NAME",      [FORM_LOG_FORMAT] = "FORMAT",
        [FORM_LOG_LEVEL] = "LEVEL", [FORM_SIGNER] = "NAME",
        [FORM_REDIS] = "URL",       [FORM_HOST] = "NAME",
        [FORM_PREFIX] = "TEXT",     [FORM_ORIGINS] = "ORIGINS",
        [FORM_CIDRS] = "RANGES"};
    static const char *const units[] = {
        [UNIT_NONE] = "NUMBER", [UNIT_MS] = "TIME", [UNIT_S] = "TIME", [UNIT_BYTES] = "SIZE"};
    return row->kind == KIND_TEXT ? forms[row->form] : units[row->unit];
}

/* Writes the text in the column behind INDENT, breaking it at spaces. */
static void wrapped_write(struct buffer *out, size_t start, struct text text) {
    check(text.at != NULL);
    while (text.len > 0) {
        size_t cut = text.len;
        if (cut > COLUMNS - INDENT)
            for (cut = COLUMNS - INDENT; cut > 0 && text.at[cut] != ' ';)
                cut--;
        check(cut > 0); /* no word of the table is as long as a line */
        buffer_fill(out, start, INDENT);
        buffer_add(out, (struct text){text.at, cut});
        buffer_byte(out, '\n');
        start = out->len;
        size_t taken = cut < text.len ? cut + 1 : cut; /* with the space */
        text = (struct text){text.at + taken, text.len - taken};
    }
}

/* "how long … (default 30s; SIGHUP)" */
static void help_text_write(const struct setting *row, struct buffer *out) {
    struct settings defaults = {0};
    setting_default(row, &defaults);
    buffer_put(out, row->help);
    size_t without = out->len;
    buffer_put(out, " (default ");
    size_t value = out->len;
    setting_write(row, &defaults, out);
    if (out->len == value)
        out->len = without;
    if (row->flag == SETTING_RELOAD)
        buffer_put(out, out->len == without ? " (SIGHUP" : "; SIGHUP");
    if (out->len != without)
        buffer_byte(out, ')');
}

void config_help(struct buffer *out) {
    for (size_t i = 0; i < SETTINGS; i++) {
        const struct setting *row = &setting_rows[i];
        char text[512];
        struct buffer help = buffer_over(text, sizeof(text));
        size_t start = out->len;
        if (row->kind == KIND_BOOL)
            buffer_format(out, "  --[no-]%s", row->name);
        else
            buffer_format(out, "  --%s %s", row->name, value_word(row));
        help_text_write(row, &help);
        check(!help.overflow);
        wrapped_write(out, start, buffer_text(&help));
    }
}

void config_markdown(struct buffer *out) {
    buffer_put(out, "| setting | default | allowed | SIGHUP | what it is |\n"
                    "|---|---|---|---|---|\n");
    for (size_t i = 0; i < SETTINGS; i++) {
        const struct setting *row = &setting_rows[i];
        struct settings defaults = {0};
        setting_default(row, &defaults);
        buffer_format(out, "| `--%s` | ", row->name);
        size_t value = out->len;
        setting_write(row, &defaults, out);
        if (out->len == value)
            buffer_put(out, "–");
        buffer_put(out, " | ");
        setting_allowed(row, out);
        buffer_format(out, " | %s | %s |\n", row->flag == SETTING_RELOAD ? "yes" : "", row->help);
    }
}
