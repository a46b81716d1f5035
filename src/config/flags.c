/* The flags: found before the rest is read, since --config is one of them, and applied after it. */
#include "config/private.h"

static struct text text_after(struct text text, const char *prefix) {
    size_t len = strlen(prefix);
    return (struct text){text.at + len, text.len - len};
}

/* "--no-log-requests": the bool whose flag is turned off, or NULL. */
static const struct setting *setting_negated(struct text name) {
    if (!text_starts(name, TEXT("no-")))
        return NULL;
    const struct setting *row = setting_find(text_after(name, "no-"));
    return row != NULL && row->kind == KIND_BOOL ? row : NULL;
}

static bool flag_unknown(const char *argument, struct text name, struct error *ret_error) {
    char message[ERROR_SUBJECT_BYTES];
    struct buffer out = buffer_over(message, sizeof(message));
    struct suggestion suggestion = config_suggest(name);
    suggest_try(&suggestion, TEXT("config"));
    if (name.len == 0)
        buffer_format(&out, "there is no use here for '%.60s'", argument);
    else
        buffer_format(&out, "there is no flag --%.*s", (int)(name.len < 60 ? name.len : 60),
                      name.at);
    suggest_write(&suggestion, "--", &out);
    return error_about(ret_error, ERROR_FIELD_VALUE, buffer_text(&out));
}

/* An argument taken apart: --name, --name=value or something else (then the name is empty). */
struct argument {
    struct text name;
    struct text value; /* `at` NULL: none is attached */
};

static struct argument argument_read(const char *string) {
    struct argument argument = {0};
    if (strncmp(string, "--", 2) != 0)
        return argument;
    const char *equals = strchr(string, '=');
    argument.name = text_after(text_of(string), "--");
    if (equals != NULL) {
        argument.name.len = (size_t)(equals - argument.name.at);
        argument.value = text_of(equals + 1);
    }
    return argument;
}

/* Reads one flag of the table or --config; `ret_used` is how many arguments it took, 0: no such
 * flag. */
static bool flag_read(struct config_flags *flags, int count, char *const *arguments, int *ret_used,
                      struct error *ret_error) {
    struct argument argument = argument_read(arguments[0]);
    const struct setting *row = setting_find(argument.name);
    const struct setting *negated = setting_negated(argument.name);
    bool is_config = text_equal(argument.name, TEXT("config"));
    *ret_used = 1;
    if (negated != NULL && argument.value.at == NULL) {
        flags->values[negated - setting_rows] = TEXT("false");
        return true;
    }
    if (row == NULL && !is_config) {
        *ret_used = 0;
        return true;
    }
    bool is_bool = row != NULL && row->kind == KIND_BOOL;
    if (argument.value.at == NULL && count > 1 &&
        (!is_bool || setting_is_bool(text_of(arguments[1])))) {
        argument.value = text_of(arguments[1]);
        *ret_used = 2;
    }
    if (argument.value.at == NULL && is_bool)
        argument.value = TEXT("true");
    if (argument.value.at == NULL)
        return error_set(ret_error, ERROR_FIELD_VALUE, "%.60s needs a value", arguments[0]);
    if (is_config)
        flags->config = argument.value.at;
    else
        flags->values[row - setting_rows] = argument.value;
    return true;
}

bool config_read_flags(int count, char *const *arguments,
                       int (*other)(void *self, int count, char *const *arguments), void *self,
                       struct config_flags *flags, struct error *ret_error) {
    for (int i = 0, used; i < count; i += used) {
        if (!flag_read(flags, count - i, arguments + i, &used, ret_error))
            return false;
        if (used == 0 && other != NULL)
            used = other(self, count - i, arguments + i);
        if (used == 0)
            return flag_unknown(arguments[i], argument_read(arguments[i]).name, ret_error);
        check(used > 0 && used <= count - i);
    }
    return true;
}

bool config_apply_flags(struct config *config, const struct config_flags *flags,
                        struct error *ret_error) {
    for (size_t i = 0; i < SETTINGS; i++)
        if (flags->values[i].at != NULL &&
            !config_take_value(config, &setting_rows[i], flags->values[i],
                               (struct origin){SOURCE_FLAG, 0}, ret_error))
            return false;
    return true;
}
