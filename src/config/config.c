/* The settings read from defaults, file, environment and flags, each over the one before. */
#include "config/config.h"

#include <stdlib.h>

#include "base/memory.h"
#include "config/private.h"

/* The end of a path, where the file's name stands, so that the message keeps room for the rest. */
const char *config_path_end(const char *path) {
    enum { SHOWN_BYTES = 48 };
    size_t len = strlen(path);
    return len > SHOWN_BYTES ? path + len - SHOWN_BYTES : path;
}

/* Where a value stands, as the user wrote it: "--lease", "MINTD_LEASE", "/etc/mintd.conf:12". */
static void place_write(const struct config *config, const struct setting *row,
                        struct origin origin, struct buffer *out) {
    if (origin.source == SOURCE_FLAG)
        buffer_format(out, "--%s", row->name);
    else if (origin.source == SOURCE_ENVIRONMENT)
        setting_variable(row, out);
    else
        buffer_format(out, "%s:%u: %s", config_path_end(config->path), origin.line, row->name);
}

static bool value_refuse(const struct config *config, const struct setting *row, struct text value,
                         struct origin origin, struct error *ret_error) {
    enum { SHOWN_BYTES = 24 };
    char message[ERROR_SUBJECT_BYTES * 2];
    struct buffer out = buffer_over(message, sizeof(message));
    place_write(config, row, origin, &out);
    buffer_put(&out, " must be ");
    setting_allowed(row, &out);
    if (!setting_is_secret(row, value)) {
        bool is_long = value.len > SHOWN_BYTES;
        buffer_put(&out, ", not '");
        buffer_add(&out, (struct text){value.at, is_long ? SHOWN_BYTES : value.len});
        buffer_put(&out, is_long ? "...'" : "'");
    }
    return error_about(ret_error, ERROR_FIELD_VALUE, buffer_text(&out));
}

bool config_take_value(struct config *config, const struct setting *row, struct text value,
                       struct origin origin, struct error *ret_error) {
    size_t i = (size_t)(row - setting_rows);
    if (!setting_read(row, value, config->texts[i], &config->settings))
        return value_refuse(config, row, value, origin, ret_error);
    config->origins[i] = origin;
    return true;
}

struct suggestion config_suggest(struct text name) {
    struct suggestion suggestion = suggest_for(name);
    for (size_t i = 0; i < SETTINGS; i++)
        suggest_try(&suggestion, text_of(setting_rows[i].name));
    return suggestion;
}

/* The rows of two settings, the first of which must not be above the second. */
static const enum setting_id ordered[][2] = {
    {SETTING_ID_default_ttl_s, SETTING_ID_max_ttl_s},
    {SETTING_ID_attributes_bytes_max, SETTING_ID_body_bytes_max},
    {SETTING_ID_poll_ms, SETTING_ID_lease_ms}, /* else no lease would ever be fresh */
};

static bool settings_agree(const struct settings *settings, struct error *ret_error) {
    for (size_t i = 0; i < array_count(ordered); i++) {
        const struct setting *low = &setting_rows[ordered[i][0]];
        const struct setting *high = &setting_rows[ordered[i][1]];
        if (setting_number(low, settings) > setting_number(high, settings)) {
            char message[ERROR_SUBJECT_BYTES];
            struct buffer out = buffer_over(message, sizeof(message));
            buffer_format(&out, "%s (", low->name);
            setting_write(low, settings, &out);
            buffer_format(&out, ") must not be above %s (", high->name);
            setting_write(high, settings, &out);
            buffer_byte(&out, ')');
            return error_about(ret_error, ERROR_FIELD_VALUE, buffer_text(&out));
        }
    }
    if (settings->master_key.len > 0 && settings->master_key_file.len > 0)
        return error_set(ret_error, ERROR_FIELD_VALUE,
                         "give only one of master-key and master-key-file");
    return true;
}

static struct config *config_new(const char *path, char *const *environment,
                                 struct error *ret_error) {
    if (path != NULL && strlen(path) > SETTING_TEXT_BYTES_MAX) {
        (void)error_set(ret_error, ERROR_FIELD_VALUE, "the path of --config is too long");
        return NULL;
    }
    struct config *config = calloc(1, sizeof(*config));
    if (config == NULL) {
        (void)error_set(ret_error, ERROR_OVERLOADED, "memory");
        return NULL;
    }
    config->magic = CONFIG_MAGIC;
    config->environment = environment;
    if (path != NULL)
        memcpy(config->path, path, strlen(path) + 1);
    for (size_t i = 0; i < SETTINGS; i++)
        setting_default(&setting_rows[i], &config->settings);
    return config;
}

bool config_read(int count, char *const *arguments, char *const *environment,
                 int (*other)(void *self, int count, char *const *arguments), void *self,
                 struct config **ret_config, struct error *ret_error) {
    struct config_flags flags = {.config = config_variable(environment, "MINTD_CONFIG")};
    if (!config_read_flags(count, arguments, other, self, &flags, ret_error))
        return false;
    struct config *config = config_new(flags.config, environment, ret_error);
    if (config == NULL)
        return false;
    if (!config_apply_file(config, ret_error) || !config_apply_environment(config, ret_error) ||
        !config_apply_flags(config, &flags, ret_error) ||
        !settings_agree(&config->settings, ret_error)) {
        config_free(config);
        return false;
    }
    *ret_config = config;
    return true;
}

bool config_read_text(struct text text, const char *name, struct config **ret_config,
                      struct error *ret_error) {
    struct config *config = config_new(name, NULL, ret_error);
    if (config == NULL)
        return false;
    if (!config_apply_text(config, text, true, ret_error) ||
        !settings_agree(&config->settings, ret_error)) {
        config_free(config);
        return false;
    }
    *ret_config = config;
    return true;
}

void config_free(struct config *config) {
    while (config != NULL) {
        magic_check(config, CONFIG_MAGIC);
        struct config *older = config->older;
        memory_wipe(config, sizeof(*config));
        free(config);
        config = older;
    }
}

const struct settings *config_settings(const struct config *config) {
    magic_check(config, CONFIG_MAGIC);
    return &config->settings;
}

/* Reload */

/* Sets a text that follows from others, if it is empty. */
static void settle(struct config *config, enum setting_id id, const char *prefix, struct text text,
                   const char *end) {
    char value[SETTING_TEXT_BYTES_MAX];
    struct buffer out = buffer_over(value, sizeof(value));
    buffer_put(&out, prefix);
    buffer_add(&out, text);
    buffer_put(&out, end);
    check(!out.overflow); /* the form of every such text leaves room */
    if (setting_equal(&setting_rows[id], &config->settings, &(struct settings){0}))
        check(setting_read(&setting_rows[id], buffer_text(&out), config->texts[id],
                           &config->settings));
}

void config_settle(struct config *config) {
    magic_check(config, CONFIG_MAGIC);
    const struct settings *settings = &config->settings;
    struct text address = settings->listen;
    bool has_host = address.at[0] != ':';
    settle(config, SETTING_ID_registry, "sqlite:", settings->data_dir, "/registry.db");
    if (settings->master_key.len == 0)
        settle(config, SETTING_ID_master_key_file, "", settings->data_dir, "/master.key");
    if (text_starts(address, TEXT("unix:")))
        address = TEXT("localhost");
    settle(config, SETTING_ID_issuer, has_host ? "http://" : "http://localhost", address, "");
    config->is_settled = true;
}

/* File and environment again, and the flags as they were. */
static struct config *config_again(const struct config *config, struct error *ret_error) {
    struct config *again = config_new(config->path, config->environment, ret_error);
    if (again == NULL)
        return NULL;
    if (!config_apply_file(again, ret_error) || !config_apply_environment(again, ret_error)) {
        config_free(again);
        return NULL;
    }
    for (size_t i = 0; i < SETTINGS; i++)
        if (config->origins[i].source == SOURCE_FLAG) {
            setting_copy(&setting_rows[i], &config->settings, &again->settings);
            again->origins[i] = config->origins[i];
        }
    if (config->is_settled)
        config_settle(again);
    return again;
}

/* Takes on what can change; whether a text of `again` is used now. */
static bool config_take(struct config *config, const struct config *again,
                        struct buffer *out_ignored) {
    bool is_text_used = false;
    size_t ignored = 0;
    for (size_t i = 0; i < SETTINGS; i++) {
        const struct setting *row = &setting_rows[i];
        bool is_equal = setting_equal(row, &config->settings, &again->settings);
        if (!is_equal && row->flag != SETTING_RELOAD) {
            buffer_format(out_ignored, "%s%s", ignored++ > 0 ? ", " : "", row->name);
            continue;
        }
        config->origins[i] = again->origins[i];
        if (!is_equal) {
            setting_copy(row, &again->settings, &config->settings);
            is_text_used |= row->kind == KIND_TEXT;
        }
    }
    return is_text_used;
}

bool config_reload(struct config *config, struct buffer *out_ignored, struct error *ret_error) {
    magic_check(config, CONFIG_MAGIC);
    struct config *again = config_again(config, ret_error);
    if (again == NULL)
        return false;
    struct settings merged = config->settings;
    for (size_t i = 0; i < SETTINGS; i++)
        if (setting_rows[i].flag == SETTING_RELOAD)
            setting_copy(&setting_rows[i], &again->settings, &merged);
    if (!settings_agree(&again->settings, ret_error) || !settings_agree(&merged, ret_error)) {
        config_free(again);
        return false;
    }
    if (config_take(config, again, out_ignored)) {
        again->older = config->older;
        config->older = again;
    } else {
        config_free(again);
    }
    return true;
}
