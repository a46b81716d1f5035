/* What runs a command: the settings in force, requests, answers, and what is said to the user. */
#ifndef CLIENT_RUN_H
#define CLIENT_RUN_H

#include "base/error.h"
#include "client/command.h"
#include "client/pool.h"
#include "token/json.h"

enum format { FORMAT_HUMAN, FORMAT_JSON, FORMAT_CSV };

/* Rows are written whole and the buffer is emptied between them, so this bounds a row: the
 * largest body that mintd takes or makes is below it. */
#define OUTPUT_BYTES (1U << 20)

struct fetch;
struct client {
    struct pool pool;
    char *const *environment;
    enum format format;
    bool is_quiet;
    bool is_yes;
    bool is_terminal;    /* a person can be asked: standard input and error are terminals */
    bool has_color[3];   /* by descriptor */
    bool is_input_used;  /* standard input was read for a flag or operand */
    struct text url;     /* without a / at its end */
    struct text token;   /* empty: none */
    struct text org;     /* empty: none */
    const char *profile; /* its name */
    uint64_t timeout_s;
    int64_t now_s;
    struct fetch *fetch;   /* NULL until the first request */
    struct buffer out;     /* for standard output */
    struct buffer scratch; /* for one cell */
    bool is_output_broken;
    const struct json *changed; /* the last answer to a request that changes something */
};

/* Runs the client: the arguments of main with the program's name, and environ. Returns the exit
 * status. A token among the arguments is overwritten, so that ps no longer shows it. */
int client_main(int count, char **arguments, char *const *environment);

/* Settings (settings.c) */

/* Flags over variables over the profile over the defaults. False after saying why. */
must_check bool client_settle(struct client *client, const struct call *call);
/* The value of a variable; `at` NULL if there is none or it is empty. */
struct text client_variable(const struct client *client, const char *name);

/* Talking (talk.c) */

/* Writes "mint: error: …" to standard error; what comes from elsewhere is made harmless to a
 * terminal. */
void client_complain(const struct client *client, const char *format, ...) printf_like(2, 3);
/* The same for a command line that makes no sense. Returns STATUS_USAGE. */
enum status client_refuse(const struct client *client, const struct call *call, const char *format,
                          ...) printf_like(3, 4);
/* Tells of success on standard output, in the human format, unless --quiet. */
void client_say(struct client *client, struct text text);
/* Whether the user says yes: asked only on a terminal and without --yes. */
must_check bool client_confirm(struct client *client, struct text question);
/* Writes what `out` holds to standard output. */
void client_flush(struct client *client);

/* A text of a flag or an operand: as it is, or read from standard input (-) or, where
 * `has_files`, from @file. At most a MiB. Not trimmed. False after saying why. */
must_check bool client_read_text(struct client *client, struct text value, bool has_files,
                                 struct text *ret_text);
must_check bool client_read_file(struct client *client, const char *path, struct text *ret_text);
/* A line typed without being shown. False if there was none. */
must_check bool client_read_secret(struct client *client, const char *prompt,
                                   struct text *ret_text);
/* Without white space at both ends, line ends included. */
struct text client_strip(struct text text);

/* Requests (request.c) */

struct reply {
    unsigned status;
    struct text body;
    struct text request_id;
    const struct json *json; /* NULL if the body is no JSON object */
};

/* Fills the placeholders of a template: of a path (percent-encoded) or of a sentence. False
 * after saying which flag is missing. */
must_check bool client_fill(struct client *client, const struct call *call, const char *template,
                            bool is_path, struct text *ret_text);
/* The path with a query made of the command's flags with a ? and of `query` (empty: none). */
struct text client_target(struct client *client, const struct call *call, struct text path,
                          struct text query);
/* The command's request, its body made of flags and operand. A failure is said; its status is
 * returned. `query` is added to the target (without ?); empty: none. */
must_check enum status client_request(struct client *client, const struct call *call,
                                      struct text query, struct reply *ret_reply);
/* A request of the caller's own. `target` is percent-encoded; `body` empty: none. */
must_check enum status client_ask(struct client *client, const char *method, struct text target,
                                  struct text body, struct reply *ret_reply);
/* GET of a public document: a path of the server, or a URL; no token is sent. */
must_check enum status client_get_public(struct client *client, struct text url,
                                         struct reply *ret_reply);
/* The body that the command's operand and its flags with a field make. False after saying what is
 * wrong. */
must_check bool client_make_body(struct client *client, const struct call *call,
                                 struct text *ret_body);
/* A JSON object out of a file, a URL, or a path of the server's below /.well-known/. False after
 * saying why there is none. */
must_check bool client_read_document(struct client *client, struct text place,
                                     const struct json **ret_json);
/* {"<field>":"<value>"} */
struct text client_body(struct client *client, const char *field, struct text value);
/* Reads JSON into memory of its own; NULL if it is none. */
const struct json *client_read_json(struct client *client, struct text text,
                                    struct error *ret_error);

/* Showing (show.c) */

/* One of a list. */
struct row {
    const struct json *object;
};
/* The list, of which people see the columns and programs everything. */
void show_list(struct client *client, const struct row *rows, size_t count,
               const struct column *columns);
void show_object(struct client *client, const struct json *object);
/* Prints the value as JSON, with a line end. */
void show_json(struct client *client, const struct json *value);
/* A member (NULL if it is not there) as a text for people; "-" if it is empty. */
struct text show_cell(struct client *client, const struct json *value, enum cell cell);
/* The text in one line, harmless to a terminal. */
struct text show_plain(struct client *client, struct text text);
/* A table of texts, row by row, with its titles above. */
void show_table(struct client *client, const struct text *titles, size_t columns,
                const struct text *cells, size_t rows);
/* The title of a member: "createdOn" is "Created on". */
struct text show_title(struct client *client, struct text key);
/* "2026-01-31 10:00:00Z (in 3h)" of a time in RFC 3339; false if the text is none. */
must_check bool show_time(struct client *client, struct text text, struct buffer *out);

/* Tells people how a change spread, by the answer to it (receipt.c). */
void client_receipt(struct client *client, const struct json *answer);

/* The commands that are more than a request. */
enum status run_service_create(struct client *client, const struct call *call);
enum status run_service_list(struct client *client, const struct call *call);
enum status run_service_show(struct client *client, const struct call *call);
enum status run_service_set_role(struct client *client, const struct call *call);
enum status run_token_issue(struct client *client, const struct call *call);
enum status run_token_rotate(struct client *client, const struct call *call);
enum status run_issue(struct client *client, const struct call *call);
enum status run_iframe(struct client *client, const struct call *call);
enum status run_verify(struct client *client, const struct call *call);
enum status run_bench(struct client *client, const struct call *call);
enum status run_roles(struct client *client, const struct call *call);
enum status run_audit(struct client *client, const struct call *call);
enum status run_audit_verify(struct client *client, const struct call *call);
enum status run_login(struct client *client, const struct call *call);
enum status run_ping(struct client *client, const struct call *call);
enum status run_version(struct client *client, const struct call *call);
enum status run_help(struct client *client, const struct call *call);
enum status run_completion(struct client *client, const struct call *call);
enum status run_complete(struct client *client, const struct call *call);
enum status run_man(struct client *client, const struct call *call);

/* The help of a command, or of a group of them (empty: all). */
void help_write(struct text path, struct buffer *out);
#define HELP_ABOUT \
    "mint manages orgs, projects, services and service tokens of a mintd, and mints and checks " \
    "credentials. It needs the server's address and a token: set MINT_URL and MINT_TOKEN, or run " \
    "mint login once."
#define HELP_STATUS \
    "The exit status is 0 when all went well, 1 when the server refused or could not be reached " \
    "(or a credential is not valid), and 2 when the command line makes no sense."

#endif
