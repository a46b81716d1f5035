/* What there is to know of the server and of this program: roles, ping, version. */
#include "client/list.h"

static const struct column role_columns[] = {
    {"SCOPE", "scope", CELL_AUTO},
    {"ROLE", "name", CELL_AUTO},
    {"PERMISSIONS", "permissions", CELL_NAMES},
    {0},
};

/* Adds {"scope":"org",…} of each role. */
static void roles_write(const struct json *roles, const char *scope, struct buffer *out) {
    if (roles == NULL || !json_is_array(roles))
        return;
    for (struct json_iter i = json_iter(roles); json_next(&i);) {
        if (!json_is_object(i.value))
            continue;
        buffer_put(out, out->at[out->len - 1] == '[' ? "" : ",");
        buffer_format(out, "{\"scope\":\"%s\"", scope);
        for (struct json_iter j = json_iter(i.value); json_next(&j);) {
            buffer_byte(out, ',');
            buffer_json(out, j.key);
            buffer_byte(out, ':');
            json_write(j.value, out);
        }
        buffer_byte(out, '}');
    }
}

/* Both lists of the answer in one, for people and for CSV. */
enum status run_roles(struct client *client, const struct call *call) {
    struct reply reply;
    struct error error;
    struct rows rows;
    enum status status = client_request(client, call, TEXT(""), &reply);
    if (status != STATUS_FINE)
        return status;
    if (client->format == FORMAT_JSON) {
        show_json(client, reply.json);
        return STATUS_FINE;
    }
    struct buffer out = pool_buffer(&client->pool, OUTPUT_BYTES);
    buffer_byte(&out, '[');
    roles_write(json_member(reply.json, TEXT("organizationRoles")), "org", &out);
    roles_write(json_member(reply.json, TEXT("projectRoles")), "project", &out);
    buffer_byte(&out, ']');
    const struct json *list = client_read_json(client, buffer_text(&out), &error);
    if (list == NULL) {
        client_complain(client, "the answer holds no roles");
        return STATUS_FAILED;
    }
    rows_of(client, list, &rows);
    show_list(client, rows.at, rows.count, role_columns);
    return STATUS_FINE;
}

enum status run_ping(struct client *client, const struct call *call) {
    struct reply reply;
    (void)call;
    enum status status = client_get_public(client, TEXT("/v1/ping"), &reply);
    if (status == STATUS_FINE)
        show_object(client, reply.json);
    return status;
}

enum status run_version(struct client *client, const struct call *call) {
    static const char *const texts[] = {
        [FORMAT_HUMAN] = "mint " MINTD_VERSION "\n",
        [FORMAT_JSON] = "{\"version\":\"" MINTD_VERSION "\"}\n",
        [FORMAT_CSV] = "version\n" MINTD_VERSION "\n",
    };
    (void)call;
    buffer_put(&client->out, texts[client->format]);
    return STATUS_FINE;
}
