/* Minting from the command line: the credential, or the URL to embed, alone on standard output. */
#include "client/run.h"

static enum status mint(struct client *client, const struct call *call, struct text member) {
    struct reply reply;
    enum status status = client_request(client, call, TEXT(""), &reply);
    if (status != STATUS_FINE)
        return status;
    if (client->format != FORMAT_HUMAN || call_has(call, "explain")) {
        show_object(client, reply.json);
        return STATUS_FINE;
    }
    const struct json *value = json_member(reply.json, member);
    if (value == NULL || !json_is_string(value)) {
        client_complain(client, "the answer holds no %.*s", (int)member.len, member.at);
        return STATUS_FAILED;
    }
    buffer_add(&client->out, json_text(value));
    buffer_byte(&client->out, '\n');
    return STATUS_FINE;
}

enum status run_issue(struct client *client, const struct call *call) {
    return mint(client, call, TEXT("accessToken"));
}

enum status run_iframe(struct client *client, const struct call *call) {
    return mint(client, call, TEXT("iframeSrc"));
}
