/* mintd's settings: flags, environment and a file, all from the table in config.def. */
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H

#include "base/error.h"

/* The settings by name. Texts live as long as the settings. */
struct settings {
#define SETTING_TEXT(member, name, value, flags, help) struct text member;
#define SETTING_NUMBER(member, name, value, min, max, unit, flags, help) uint64_t member;
#define SETTING_BOOL(member, name, value, flags, help) bool member;
#include "config/config.def"
#undef SETTING_TEXT
#undef SETTING_NUMBER
#undef SETTING_BOOL
};

enum setting_flag { SETTING_SECRET = 1, SETTING_RELOAD = 2 };
enum setting_source { SOURCE_DEFAULT, SOURCE_FILE, SOURCE_ENVIRONMENT, SOURCE_FLAG };

/* Settings and where each came from; one malloc'ed object. */
struct config;

/* Reads, each over the one before: the defaults, the file (--config F or MINTD_CONFIG; lines
 * `name = value`, # comments), the environment (MINTD_ and the name in capitals with _), the flags
 * (--name value, --name=value, for a bool also --name and --no-name). `arguments` are those behind the
 * subcommand; `environment` is environ. What is no flag of the table is handed to `other` (subcommand
 * flags and operands; may be NULL: then it is an error); it returns how many arguments it took, 0 for
 * an unknown one. Errors (FIELD_VALUE) name the setting, the source with file and line, what was wrong
 * and what is allowed; an unknown name suggests the nearest one. */
must_check bool config_read(int count, char *const *arguments, char *const *environment,
                            int (*other)(void *self, int count, char *const *arguments), void *self,
                            struct config **ret_config, struct error *ret_error);
void config_free(struct config *config);
const struct settings *config_settings(const struct config *config);
/* Sets a value that was computed at the start ("issuer" from the listen address); source stays. */
void config_settle(struct config *config);

/* For SIGHUP: reads file and environment again (flags stay); on success takes on what has RELOAD and
 * tells the names of changed settings that need a restart in `out_ignored`; on failure nothing changes. */
must_check bool config_reload(struct config *config, struct buffer *out_ignored,
                              struct error *ret_error);

/* `mintd config`: one line a setting, "name = value   # source"; secrets as "********". */
void config_print(const struct config *config, struct buffer *out);
/* The table for --help, 100 columns wide; and as Markdown for the documents. */
void config_help(struct buffer *out);
void config_markdown(struct buffer *out);

#endif
