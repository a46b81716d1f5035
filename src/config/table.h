/* The settings as rows: found by name, checked, read from text and written back. Not for other
 * layers. */
#ifndef CONFIG_TABLE_H
#define CONFIG_TABLE_H

#include "base/units.h"
#include "config/config.h"

enum setting_id {
#define SETTING_TEXT(member, name, value, form, flag, help) SETTING_ID_##member,
#define SETTING_NUMBER(member, name, value, min, max, unit, flag, help) SETTING_ID_##member,
#define SETTING_BOOL(member, name, value, flag, help) SETTING_ID_##member,
#include "config/config.def"
#undef SETTING_TEXT
#undef SETTING_NUMBER
#undef SETTING_BOOL
    SETTINGS
};

enum setting_kind { KIND_TEXT, KIND_NUMBER, KIND_BOOL };
enum setting_flag { SETTING_FIXED, SETTING_RELOAD, SETTING_SECRET };
/* What a text looks like: see table.c. */
enum setting_form {
    FORM_ADDRESS,
    FORM_ADDRESS_OR_NONE,
    FORM_PATH,
    FORM_REGISTRY,
    FORM_KEY,
    FORM_URL,
    FORM_BRAND,
    FORM_LOG_FORMAT,
    FORM_LOG_LEVEL,
    FORM_SIGNER,
    FORM_REDIS,
    FORM_HOST,
    FORM_PREFIX,
    FORM_ORIGINS,
    FORM_CIDRS
};

struct setting {
    const char *name;
    const char *help;
    size_t offset; /* of the member in struct settings */
    enum setting_kind kind;
    enum setting_flag flag;
    const char *text;          /* the default of a text; "true" or "false" for a bool */
    enum setting_form form;    /* of a text */
    uint64_t number, min, max; /* default and range of a number */
    enum unit unit;
};
extern const struct setting setting_rows[SETTINGS];

/* Longer than any path, URL or list of origins that is meant. */
#define SETTING_TEXT_BYTES_MAX 1024

/* The row with this name, or NULL. */
const struct setting *setting_find(struct text name);
/* Reads a value into its member; a text is copied into `slot` with a NUL behind it. False, and
 * nothing changed, when it is not allowed. */
must_check bool setting_read(const struct setting *row, struct text value,
                             char slot[static SETTING_TEXT_BYTES_MAX + 1],
                             struct settings *settings);
/* Whether the word is a value of a bool. */
bool setting_is_bool(struct text word);
void setting_default(const struct setting *row, struct settings *settings);
/* Whether the value must not be shown: a secret, or a URL with a password in it. */
bool setting_is_secret(const struct setting *row, struct text value);
/* The value with ******** for what is secret in it. */
void setting_show(const struct setting *row, const struct settings *settings, struct buffer *out);
/* The value as setting_read reads it; a secret too. */
void setting_write(const struct setting *row, const struct settings *settings, struct buffer *out);
uint64_t setting_number(const struct setting *row, const struct settings *settings);
bool setting_equal(const struct setting *row, const struct settings *a, const struct settings *b);
void setting_copy(const struct setting *row, const struct settings *from, struct settings *to);
/* "a duration from 1s to 10m, such as 30s": what is allowed. */
void setting_allowed(const struct setting *row, struct buffer *out);
/* "MINTD_LISTEN": the variable's name. */
void setting_variable(const struct setting *row, struct buffer *out);

#endif
