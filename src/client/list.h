/* Lists, read page by page, and the commands that are no more than a request. */
#ifndef CLIENT_LIST_H
#define CLIENT_LIST_H

#include "client/run.h"

struct rows {
    struct row *at;
    size_t count;
    size_t room;
};

/* The objects of a list. */
void rows_of(struct client *client, const struct json *list, struct rows *ret_rows);
/* The objects of the command's list, of every page, but at most `limit`. */
must_check enum status list_read(struct client *client, const struct call *call, size_t limit,
                                 struct rows *ret_rows);
/* Runs a command: its own function, or request, question and answer as its row says. */
enum status command_run(struct client *client, const struct call *call);

#endif
