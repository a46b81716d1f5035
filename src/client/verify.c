/* `mint verify`: a credential checked by the server's public keys, and shown. */
#include "base/units.h"
#include "client/run.h"
#include "token/jwt.h"

/* A credential, and what was found. */
struct checking {
    struct text text;
    bool is_read; /* header and claims are there */
    struct jwt jwt;
    struct text issuer; /* wanted; empty: any */
    const struct json *jwks;
    struct error error; /* why it is not valid */
};

bool client_read_document(struct client *client, struct text place, const struct json **ret_json) {
    struct reply reply;
    struct text text;
    struct error error;
    bool is_url = text_starts(place, TEXT("http://")) || text_starts(place, TEXT("https://")) ||
                  text_starts(place, TEXT("/.well-known/"));
    if (is_url) {
        if (client_get_public(client, place, &reply) != STATUS_FINE)
            return false;
        *ret_json = reply.json;
        return true;
    }
    if (!client_read_file(client, pool_copy(&client->pool, place).at, &text))
        return false;
    *ret_json = client_read_json(client, text, &error);
    if (*ret_json != NULL && json_is_object(*ret_json))
        return true;
    client_complain(client, "%.*s holds no JSON object", (int)place.len, place.at);
    return false;
}

/* Keys and issuer: the server's, or what the flags say. False after saying why there are none. */
static bool keys_read(struct client *client, const struct call *call, struct checking *checking) {
    const struct json *discovery;
    struct text place = call_flag(call, "jwks");
    checking->issuer = call_flag(call, "issuer");
    if (place.at != NULL)
        return client_read_document(client, place, &checking->jwks);
    if (!client_read_document(client, TEXT("/.well-known/jwks.json"), &checking->jwks))
        return false;
    if (checking->issuer.at != NULL)
        return true;
    if (!client_read_document(client, TEXT("/.well-known/openid-configuration"), &discovery))
        return false;
    const struct json *issuer = json_member(discovery, TEXT("issuer"));
    if (issuer == NULL || !json_is_string(issuer)) {
        client_complain(client, "the server's discovery document names no issuer: give --issuer");
        return false;
    }
    checking->issuer = json_text(issuer);
    return true;
}

static bool is_string(const struct json *value, struct text text) {
    return value != NULL && json_is_string(value) && text_equal(json_text(value), text);
}

/* RFC 7519 §4.1.3: one string, or a list of them. */
static bool audience_has(const struct json *audience, struct text wanted) {
    if (audience == NULL || !json_is_array(audience))
        return is_string(audience, wanted);
    for (struct json_iter i = json_iter(audience); json_next(&i);)
        if (is_string(i.value, wanted))
            return true;
    return false;
}

static bool not_valid(struct checking *checking, const char *why) {
    return error_set(&checking->error, ERROR_CREDENTIAL, "%s", why);
}

static bool jwt_check(const struct client *client, const struct call *call,
                      struct checking *checking) {
    const struct jwt *jwt = &checking->jwt;
    struct text audience = call_flag(call, "audience"), leeway = call_flag(call, "leeway");
    uint64_t leeway_s = 0;
    uint8_t key[PUBLIC_KEY_BYTES];
    if (leeway.at != NULL)
        check(unit_read(leeway, UNIT_S, UINT32_MAX, &leeway_s));
    if (!jwks_find(checking->jwks, jwt->kid, key))
        return not_valid(checking, "its kid is none of the keys'");
    if (!jwt_signature_is_good(jwt, key))
        return not_valid(checking, "its signature is wrong");
    if (checking->issuer.len > 0 &&
        !is_string(json_member(jwt->claims, TEXT("iss")), checking->issuer))
        return not_valid(checking, "its iss is not the issuer");
    if (audience.at != NULL && !audience_has(json_member(jwt->claims, TEXT("aud")), audience))
        return not_valid(checking, "its aud is another audience");
    return jwt_check_times(jwt, client->now_s, (uint32_t)leeway_s, &checking->error);
}

/* The seconds until it expires; 0 if that is past or not said. */
static uint64_t seconds_left(const struct client *client, const struct checking *checking) {
    uint64_t expires_s;
    const struct json *exp =
        checking->is_read ? json_member(checking->jwt.claims, TEXT("exp")) : NULL;
    if (exp == NULL || !json_number(exp, INT64_MAX, &expires_s) ||
        expires_s < (uint64_t)client->now_s)
        return 0;
    return expires_s - (uint64_t)client->now_s;
}

/* A claim's value; of times, what the number means. */
static struct text claim_show(struct client *client, struct text key, const struct json *value) {
    struct text shown = show_cell(client, value, CELL_AUTO);
    bool is_time = text_equal(key, TEXT("iat")) || text_equal(key, TEXT("nbf")) ||
                   text_equal(key, TEXT("exp"));
    char memory[TIME_TEXT_BYTES + 1];
    struct buffer time = buffer_over(memory, sizeof(memory));
    uint64_t unix_s;
    if (!is_time || !json_number(value, TIME_MAX_S, &unix_s))
        return shown;
    struct buffer out = pool_buffer(&client->pool, shown.len + 80);
    buffer_add(&out, shown);
    buffer_put(&out, "  ");
    buffer_time(&time, (int64_t)unix_s);
    check(show_time(client, buffer_text(&time), &out));
    return buffer_text(&out);
}

static void part_show(struct client *client, const char *title, const struct json *part) {
    buffer_format(&client->out, "%s\n", title);
    for (struct json_iter i = json_iter(part); json_next(&i);) {
        struct text value = claim_show(client, i.key, i.value);
        buffer_put(&client->out, "  ");
        buffer_add(&client->out, show_plain(client, i.key));
        buffer_put(&client->out, ": ");
        buffer_add(&client->out, value);
        buffer_byte(&client->out, '\n');
    }
}

static void outcome_show(struct client *client, const struct checking *checking, bool is_valid) {
    struct buffer out = pool_buffer(&client->pool, OUTPUT_BYTES);
    struct error error;
    buffer_format(&out, "{\"valid\":%s,\"reason\":", is_valid ? "true" : "false");
    buffer_json(&out, text_of(is_valid ? "" : checking->error.subject));
    buffer_put(&out, ",\"expiresInSeconds\":");
    buffer_number(&out, seconds_left(client, checking));
    if (checking->is_read) {
        buffer_put(&out, ",\"header\":");
        json_write(checking->jwt.header, &out);
        buffer_put(&out, ",\"claims\":");
        json_write(checking->jwt.claims, &out);
    }
    buffer_byte(&out, '}');
    const struct json *outcome = client_read_json(client, buffer_text(&out), &error);
    check(outcome != NULL);
    show_object(client, outcome);
}

static enum status outcome_tell(struct client *client, const struct checking *checking,
                                bool is_valid) {
    if (client->format != FORMAT_HUMAN) {
        outcome_show(client, checking, is_valid);
        return is_valid ? STATUS_FINE : STATUS_FAILED;
    }
    if (checking->is_read) {
        part_show(client, "header", checking->jwt.header);
        part_show(client, "claims", checking->jwt.claims);
    }
    client_flush(client);
    if (!is_valid) {
        client_complain(client, "not valid: %s", checking->error.subject);
        return STATUS_FAILED;
    }
    buffer_put(&client->out, "valid for ");
    unit_write_rough(&client->out, seconds_left(client, checking));
    buffer_put(&client->out, checking->issuer.len > 0 ? " more\n" : " more (any issuer)\n");
    return STATUS_FINE;
}

enum status run_verify(struct client *client, const struct call *call) {
    struct checking checking = {0};
    struct text operand = call_operand(call);
    bool is_input = operand.at == NULL || text_equal(operand, TEXT("-"));
    if (is_input && client->is_terminal && operand.at == NULL)
        return client_refuse(client, call, "give a JWT, or pipe one into mint verify");
    if (!client_read_text(client, is_input ? TEXT("-") : operand, false, &checking.text))
        return STATUS_FAILED;
    checking.text = client_strip(checking.text);
    size_t size = 24 * checking.text.len + 65536;
    struct arena arena = arena_over(pool_take(&client->pool, size), size);
    checking.is_read = jwt_read(checking.text, &arena, &checking.jwt, &checking.error);
    pool_trim(&client->pool, arena.at, arena.used);
    if (!checking.is_read)
        return outcome_tell(client, &checking, false);
    if (!keys_read(client, call, &checking))
        return STATUS_FAILED;
    return outcome_tell(client, &checking, jwt_check(client, call, &checking));
}
