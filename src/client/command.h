/* The commands as rows, and the command line read by them. */
#ifndef CLIENT_COMMAND_H
#define CLIENT_COMMAND_H

#include "base/text.h"

enum flag_type {
    FLAG_TEXT,
    FLAG_BOOL,
    FLAG_CHOICE, /* one of the words in `value`, which are separated by | */
    FLAG_TIME,   /* 3600, 30m, 1h; whole seconds below 2^32 */
    FLAG_SIZE,   /* 4096, 4KiB; bytes below 2^32 */
    FLAG_NUMBER, /* below 2^32 */
    FLAG_JSON,   /* a JSON object, @file or - */
    FLAG_PAIR,   /* key=value, may be given again */
};

struct flag {
    const char *name;  /* without the dashes; NULL ends a table */
    const char *value; /* what stands for the value in the help; NULL for FLAG_BOOL */
    enum flag_type type;
    const char
        *field; /* in the request's body; with a ? in front, in its query, with a value of its own
                   where it has one (?wait=0), else with the flag's; NULL: in neither */
    const char *help;
};

/* How a member of a row is shown to people. */
enum cell {
    CELL_AUTO,  /* by what it is */
    CELL_TIME,  /* the same, but a time as 2026-01-31 10:00:00Z (3h ago) */
    CELL_NAMES, /* the keys of an object, or the strings of a list */
};
struct column {
    const char *title;  /* NULL ends a table */
    const char *member; /* of the row; "kind name": of two, the second behind the first */
    enum cell cell;
};

struct client;
struct call;

/* Exit statuses. */
enum status { STATUS_FINE, STATUS_FAILED, STATUS_USAGE };

/* One command. What is NULL is not there. */
struct command {
    const char *path;          /* "service create" */
    const char *operand;       /* "NAME"; "[NAME]" may be left out; ending in "..." takes many */
    const char *operand_field; /* the member of the body that the operand fills */
    const struct flag *flags;
    const char *summary;     /* for lists of commands */
    const char *description; /* whole sentences, for its own help */
    const char *example;
    const char *method; /* of the request */
    const char *target; /* its path: {NAME} is the operand, {org} a flag, {NAME|org} either */
    const struct column *columns; /* the answer is a list, and these are shown of each row */
    const char *done;    /* said instead of the answer's data; placeholders as in the target */
    const char *confirm; /* asked before, on a terminal; placeholders likewise */
    enum status (*run)(struct client *client, const struct call *call); /* instead of the request */
    bool is_hidden;
};

extern const struct command commands[];
extern const size_t command_count;
extern const struct flag global_flags[];

/* The command with exactly this path, or NULL. */
const struct command *command_find(struct text path);
/* Whether the path is the beginning of commands: "service", "service token". */
bool command_is_group(struct text path);
/* The word that follows the path in the command's; empty if the command is not below it. */
struct text command_next_word(const struct command *command, struct text path);
/* The flag in a table, or NULL; the table may be NULL. */
const struct flag *flag_find(const struct flag *table, struct text name);

/* A command line. */
#define CALL_OPERANDS_MAX 32
#define CALL_FLAGS_MAX 128
struct call {
    struct text path; /* words of a command or group, joined by a space */
    char path_memory[64];
    const struct command *command; /* NULL: the path is a group's, or empty */
    size_t operand_count;
    struct text operands[CALL_OPERANDS_MAX];
    size_t flag_count;
    struct call_flag {
        const struct flag *flag;
        struct text value; /* "true" for a bool */
    } flags[CALL_FLAGS_MAX];
};

/* Reads the arguments behind the program's name. False with a message when they make no sense;
 * `path` then is as far as they did. Values point into the arguments. */
must_check bool call_read(int count, char *const *arguments, struct call *ret_call,
                          struct buffer *ret_message);
/* The value of a flag, the last if it was given twice; `at` NULL if it was not given. */
struct text call_flag(const struct call *call, const char *name);
bool call_has(const struct call *call, const char *name);
/* The first operand; `at` NULL if there is none. */
struct text call_operand(const struct call *call);

#endif
