/* The settings with what their reading needs to remember. Not for other layers. */
#ifndef CONFIG_PRIVATE_H
#define CONFIG_PRIVATE_H

#include "base/suggest.h"
#include "config/table.h"

enum setting_source { SOURCE_DEFAULT, SOURCE_FILE, SOURCE_ENVIRONMENT, SOURCE_FLAG };
struct origin {
    enum setting_source source;
    uint32_t line; /* of the file */
};

#define CONFIG_MAGIC 0xC04F1600
struct config {
    uint32_t magic;
    bool is_settled;
    struct settings settings;
    struct origin origins[SETTINGS];
    char *const *environment;
    struct config *older;                  /* replaced by a reload, but its texts may be in use */
    char path[SETTING_TEXT_BYTES_MAX + 1]; /* of the file; empty: none */
    char texts[SETTINGS][SETTING_TEXT_BYTES_MAX + 1];
};

/* Reads a value into its setting, or says where it stands and what is allowed. */
must_check bool config_take_value(struct config *config, const struct setting *row,
                                  struct text value, struct origin origin, struct error *ret_error);
/* The setting whose name is nearest. */
struct suggestion config_suggest(struct text name);
/* The end of a path, where the file's name stands, so that a message keeps room for the rest. */
const char *config_path_end(const char *path);

/* What the flags say: read before the rest, since --config is among them, and applied after it. */
struct config_flags {
    const char *config;
    struct text values[SETTINGS]; /* `at` NULL: not given */
};
must_check bool config_read_flags(int count, char *const *arguments,
                                  int (*other)(void *self, int count, char *const *arguments),
                                  void *self, struct config_flags *flags, struct error *ret_error);
must_check bool config_apply_flags(struct config *config, const struct config_flags *flags,
                                   struct error *ret_error);
must_check bool config_apply_environment(struct config *config, struct error *ret_error);
/* The value of a variable, or NULL. */
const char *config_variable(char *const *environment, const char *name);
/* The file at config->path, if there is one. */
must_check bool config_apply_file(struct config *config, struct error *ret_error);
/* The text of a file; `is_private`: it may hold secrets. */
must_check bool config_apply_text(struct config *config, struct text text, bool is_private,
                                  struct error *ret_error);

#endif
