/* mintd's settings: flags, environment and a file, all from the table in config.def. */
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H

#include "base/error.h"

/* The settings by name. Texts live as long as the settings. */
struct settings {
#define SETTING_TEXT(member, name, value, form, flag, help) struct text member;
#define SETTING_NUMBER(member, name, value, min, max, unit, flag, help) uint64_t member;
#define SETTING_BOOL(member, name, value, flag, help) bool member;
#include "config/config.def"
#undef SETTING_TEXT
#undef SETTING_NUMBER
#undef SETTING_BOOL
};

#define SETTING_CIDRS_MAX 64 /* ranges in one setting */

/* Settings and where each came from; one malloc'ed object. For one thread. */
struct config;

/* Reads, each over the one before: the defaults, the file (--config F or MINTD_CONFIG), the
 * environment (MINTD_ and the name in capitals with _), the flags (--name value, --name=value,
 * for a bool also --name and --no-name; of two the last). `arguments` are those behind the
 * subcommand; `environment` is environ and must outlive the config. What is no flag of the table
 * is handed to `other` (subcommand flags and operands; may be NULL: then it is an error); it
 * returns how many arguments it took, 0 for an unknown one.
 *
 * The file: lines `name = value`; a # at the start of a line or behind a blank begins a comment;
 * a value that holds such a #, or blanks at its ends, stands in double quotes. At most 64 KiB;
 * private (0600) if it holds a secret.
 *
 * Errors (FIELD_VALUE) name the setting, the source with file and line, what was wrong and what
 * is allowed; an unknown name suggests the nearest one. Variables that Kubernetes makes for a
 * service of the name mintd (MINTD_PORT, MINTD_SERVICE_HOST …) are no settings. */
must_check bool config_read(int count, char *const *arguments, char *const *environment,
                            int (*other)(void *self, int count, char *const *arguments), void *self,
                            struct config **ret_config, struct error *ret_error);
/* The same from the text of a file alone; `name` stands in the errors. For tests of files. */
must_check bool config_read_text(struct text text, const char *name, struct config **ret_config,
                                 struct error *ret_error);
void config_free(struct config *config);
/* Every text is followed by a NUL and lives until config_free, also when a reload replaces it. */
const struct settings *config_settings(const struct config *config);
/* Fills in what follows from other settings where it is empty: `registry` (sqlite: and
 * registry.db in the data folder), `master_key_file` (master.key there, unless master_key is
 * given) and `issuer` (http:// and the listen address). Their source stays "default". */
void config_settle(struct config *config);

/* For SIGHUP: reads file and environment again (flags stay); on success takes on what has RELOAD
 * and adds the names of changed settings that need a restart to `out_ignored`, ", " between
 * them; on failure nothing changes. */
must_check bool config_reload(struct config *config, struct buffer *out_ignored,
                              struct error *ret_error);

/* `mintd config`: one line a setting, "name = value   # source"; secrets as "********". But for the
 * secrets it can be read again as a file. */
void config_print(const struct config *config, struct buffer *out);
/* The table for --help, 100 columns wide; and as Markdown for the documents. Each below 16 KiB. */
void config_help(struct buffer *out);
void config_markdown(struct buffer *out);

#endif
