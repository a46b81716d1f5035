/* How a change spread: told on standard error, behind what was done. */
#include <unistd.h>

#include "client/run.h"

static void replica_write(struct client *client, const struct json *replica, struct buffer *out) {
    const struct json *took = json_member(replica, TEXT("milliseconds"));
    buffer_add(out, show_cell(client, json_member(replica, TEXT("name")), CELL_AUTO));
    if (took == NULL || json_is_null(took)) {
        buffer_put(out, " (out of reach, and its lease has run out)");
        return;
    }
    buffer_put(out, " (");
    buffer_add(out, show_cell(client, took, CELL_AUTO));
    buffer_put(out, " ms)");
}

static void applied_write(struct client *client, const struct json *applied, struct buffer *out) {
    const struct json *replicas = json_member(applied, TEXT("replicas"));
    buffer_put(out, "In force everywhere after ");
    buffer_add(out, show_cell(client, json_member(applied, TEXT("milliseconds")), CELL_AUTO));
    buffer_put(out, " ms");
    const char *before = ": ";
    for (struct json_iter i = json_iter(replicas); json_next(&i); before = ", ") {
        buffer_put(out, before);
        replica_write(client, i.value, out);
    }
}

void client_receipt(struct client *client, const struct json *answer) {
    const struct json *applied = json_member(answer, TEXT("applied"));
    const struct json *by = json_member(answer, TEXT("effectiveBy"));
    struct buffer out = pool_buffer(&client->pool, OUTPUT_BYTES);
    if (client->is_quiet || client->format != FORMAT_HUMAN)
        return;
    if (applied != NULL && json_member(applied, TEXT("replicas")) != NULL) {
        applied_write(client, applied, &out);
    } else if (by != NULL) {
        buffer_put(&out, "In force everywhere by ");
        buffer_add(&out, show_cell(client, by, CELL_TIME));
    }
    if (out.len == 0)
        return;
    client_flush(client); /* what was done comes first */
    buffer_put(&out, ".\n");
    (void)!write(STDERR_FILENO, out.at, out.len);
}
