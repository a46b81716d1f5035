/* The variables: MINTD_ and the name of the setting in capitals. */
#include "config/private.h"

static struct text text_after(struct text text, const char *prefix) {
    size_t len = strlen(prefix);
    return (struct text){text.at + len, text.len - len};
}

/* Kubernetes gives every pod these variables for a service that is named mintd. */
static bool is_kubernetes(struct text name) {
    return text_equal(name, TEXT("PORT")) || text_starts(name, TEXT("PORT_")) ||
           text_starts(name, TEXT("SERVICE_"));
}

/* The variable's name without MINTD_, as the flag's name. */
static struct text name_of_variable(struct text variable, char *room, size_t size) {
    size_t len = variable.len < size ? variable.len : size;
    for (size_t i = 0; i < len; i++) {
        char byte = variable.at[i];
        room[i] =
            byte == '_' ? '-' : (char)(byte >= 'A' && byte <= 'Z' ? byte + ('a' - 'A') : byte);
    }
    return (struct text){room, len};
}

static bool variable_unknown(struct text variable, struct text name, struct error *ret_error) {
    char message[ERROR_SUBJECT_BYTES];
    struct buffer out = buffer_over(message, sizeof(message));
    struct suggestion suggestion = config_suggest(name);
    const struct setting *near = setting_find(suggestion.best);
    buffer_format(&out, "there is no setting for the variable MINTD_%.*s",
                  (int)(variable.len < 60 ? variable.len : 60), variable.at);
    if (near != NULL) {
        buffer_put(&out, "; did you mean ");
        setting_variable(near, &out);
        buffer_byte(&out, '?');
    }
    return error_about(ret_error, ERROR_FIELD_VALUE, buffer_text(&out));
}

static bool variable_apply(struct config *config, const char *entry, struct error *ret_error) {
    char room[64];
    const char *equals = strchr(entry, '=');
    if (equals == NULL || strncmp(entry, "MINTD_", strlen("MINTD_")) != 0)
        return true;
    struct text variable = text_after((struct text){entry, (size_t)(equals - entry)}, "MINTD_");
    struct text name = name_of_variable(variable, room, sizeof(room));
    if (text_equal(variable, TEXT("CONFIG")) || is_kubernetes(variable))
        return true;
    const struct setting *row = setting_find(name);
    if (row == NULL)
        return variable_unknown(variable, name, ret_error);
    return config_take_value(config, row, text_of(equals + 1),
                             (struct origin){SOURCE_ENVIRONMENT, 0}, ret_error);
}

bool config_apply_environment(struct config *config, struct error *ret_error) {
    for (char *const *entry = config->environment; entry != NULL && *entry != NULL; entry++)
        if (!variable_apply(config, *entry, ret_error))
            return false;
    return true;
}

const char *config_variable(char *const *environment, const char *name) {
    size_t len = strlen(name);
    for (; environment != NULL && *environment != NULL; environment++)
        if (strncmp(*environment, name, len) == 0 && (*environment)[len] == '=')
            return *environment + len + 1;
    return NULL;
}
