/* `mint login`: address, org and token kept in a private file. */
#include <unistd.h>

#include "client/profile.h"
#include "token/service_token.h"

/* The token: from a flag, typed, or from standard input. False after saying why there is none. */
static bool token_read(struct client *client, const struct call *call, struct text *ret_token) {
    struct text token = call_flag(call, "token"), file = call_flag(call, "token-file");
    bool is_read;
    if (file.at != NULL && !text_equal(file, TEXT("-")))
        is_read = client_read_file(client, file.at, &token);
    else if (token.at != NULL && !text_equal(token, TEXT("-")))
        is_read = true;
    else if (isatty(STDIN_FILENO) == 1)
        is_read = client_read_secret(client, "Token: ", &token);
    else
        is_read = client_read_text(client, TEXT("-"), false, &token);
    *ret_token = client_strip(token);
    if (is_read && ret_token->len == 0)
        client_complain(client, "no token was given");
    return is_read && ret_token->len > 0;
}

/* Its form and checksum tell what was cut off or mistyped, without asking anybody. */
static bool token_check(const struct client *client, struct text token) {
    const char *end = memchr(token.at, '_', token.len);
    struct text brand = {token.at, end == NULL ? 0 : (size_t)(end - token.at)};
    struct service_token read;
    bool is_token = token_brand_is_valid(brand) && service_token_read(token, brand, &read);
    memory_wipe(&read, sizeof(read));
    if (!is_token)
        client_complain(client, "this is no token: it is cut off or mistyped. A token looks like "
                                "mint_svc_ and 60 letters and digits.");
    return is_token;
}

static void profile_tell(struct client *client, struct text path) {
    struct buffer out = pool_buffer(&client->pool, 6 * path.len + 64);
    struct error error;
    if (client->format == FORMAT_HUMAN) {
        buffer_put(&out, "Wrote ");
        buffer_add(&out, path);
        client_say(client, buffer_text(&out));
        return;
    }
    buffer_put(&out, "{\"profile\":");
    buffer_json(&out, path);
    buffer_byte(&out, '}');
    const struct json *json = client_read_json(client, buffer_text(&out), &error);
    check(json != NULL);
    show_object(client, json);
}

enum status run_login(struct client *client, const struct call *call) {
    struct profile profile = {.url = client->url, .org = client->org};
    struct reply reply;
    struct text path;
    if (!token_read(client, call, &profile.token) || !token_check(client, profile.token))
        return STATUS_FAILED;
    if (client_get_public(client, TEXT("/v1/ping"), &reply) != STATUS_FINE ||
        !profile_write(client, &profile, &path))
        return STATUS_FAILED;
    profile_tell(client, path);
    return STATUS_FINE;
}
