/* The requests of a load test, made once: all that is done a request is to copy them. */
#include "base/units.h"
#include "client/bench/bench.h"

#define BATCH_MAX 256
#define BODY_BYTES_MAX (8U << 20)

/* For --calibrate: as long as a service token, and good for nothing. */
static const struct text calibration_token =
    TEXT_INIT("mint_svc_000000000000000000000000000000000000000000000000000000000000");

static bool refuse(const struct bench *bench, const char *why) {
    (void)client_refuse(bench->client, bench->call, "%s", why);
    return false;
}

/* The lines of --tokens. */
static bool tokens_read(struct bench *bench, struct text place) {
    struct bench_requests *requests = &bench->plan.requests;
    struct text all;
    size_t count = 1;
    if (!client_read_file(bench->client, pool_copy(&bench->client->pool, place).at, &all))
        return false;
    for (size_t i = 0; i < all.len; i++)
        count += all.at[i] == '\n';
    struct text *tokens = pool_take(&bench->client->pool, count * sizeof(*tokens));
    while (all.len > 0) {
        const char *end = memchr(all.at, '\n', all.len);
        size_t len = end != NULL ? (size_t)(end - all.at) : all.len;
        struct text token = client_strip((struct text){all.at, len});
        if (token.len > 0)
            tokens[requests->token_count++] = token;
        len += end != NULL;
        all = (struct text){all.at + len, all.len - len};
    }
    requests->tokens = tokens;
    return requests->token_count > 0 || refuse(bench, "--tokens: the file holds no token");
}

static bool tokens_make(struct bench *bench) {
    struct bench_requests *requests = &bench->plan.requests;
    struct text place = call_flag(bench->call, "tokens");
    uint64_t warm;
    if (!bench_number(bench, "warm", 0, 0, 100, &warm))
        return false;
    requests->warm_percent = (unsigned)warm;
    if (warm > 0 && place.at == NULL)
        return refuse(bench, "--warm needs --tokens");
    if (place.at != NULL && bench->is_calibration)
        return refuse(bench, "--calibrate needs no --tokens");
    if (place.at != NULL) {
        if (!tokens_read(bench, place))
            return false;
    } else if (bench->is_calibration) {
        requests->tokens = &calibration_token;
        requests->token_count = 1;
    } else if (bench->is_own) {
        if (bench->client->token.len == 0)
            return refuse(bench, "no token: set MINT_TOKEN, or give --tokens");
        requests->tokens = &bench->client->token;
        requests->token_count = 1;
    }
    for (size_t i = 0; i < requests->token_count; i++)
        for (size_t j = 0; j < requests->tokens[i].len; j++)
            if ((uint8_t)requests->tokens[i].at[j] <= ' ' ||
                (uint8_t)requests->tokens[i].at[j] > '~')
                return refuse(bench, "a token holds a character that a header cannot");
    return true;
}

/* {…} with attributes of about so many bytes. */
static struct text body_fill(struct client *client, struct text body, size_t bytes) {
    struct buffer out = pool_buffer(&client->pool, body.len + bytes + 64);
    buffer_add(&out, (struct text){body.at, body.len - 1});
    buffer_format(&out, "%s\"attributes\":{\"fill\":\"", body.len > 2 ? "," : "");
    for (size_t i = sizeof("{\"fill\":\"\"}") - 1; i < bytes; i++)
        buffer_byte(&out, 'x');
    buffer_put(&out, "\"}}");
    check(!out.overflow);
    return buffer_text(&out);
}

/* What mintd is asked: one credential, or a batch. */
static bool own_body_make(struct bench *bench, struct text *ret_body) {
    struct client *client = bench->client;
    struct text body, size = call_flag(bench->call, "attributes-size");
    uint64_t batch, bytes = 0;
    if (!client_make_body(client, bench->call, &body) ||
        !bench_number(bench, "batch", 0, 1, BATCH_MAX, &batch))
        return false;
    if (size.at != NULL) {
        check(unit_read(size, UNIT_BYTES, UINT32_MAX, &bytes));
        if (bytes > 1U << 20 || call_has(bench->call, "attributes") ||
            call_has(bench->call, "email") || call_has(bench->call, "user-id"))
            return refuse(bench, "--attributes-size is at most 1MiB, and instead of --attributes, "
                                 "--email and --user-id");
        body = body_fill(client, body, (size_t)bytes);
    }
    *ret_body = body;
    if (batch == 0)
        return true;
    if (batch * body.len > BODY_BYTES_MAX)
        return refuse(bench, "the batch is larger than 8 MiB");
    struct buffer out = pool_buffer(&client->pool, (size_t)batch * (body.len + 1) + 32);
    buffer_put(&out, "{\"requests\":[");
    for (uint64_t i = 0; i < batch; i++) {
        buffer_put(&out, i > 0 ? "," : "");
        buffer_add(&out, body);
    }
    buffer_put(&out, "]}");
    check(!out.overflow);
    *ret_body = buffer_text(&out);
    return true;
}

static bool header_is_good(struct text header) {
    const char *colon = memchr(header.at, ':', header.len);
    for (size_t i = 0; i < header.len; i++)
        if (((uint8_t)header.at[i] < ' ' && header.at[i] != '\t') || header.at[i] == 0x7F)
            return false;
    return colon != NULL && colon > header.at;
}

static bool header_is(struct text header, const char *name) {
    size_t len = strlen(name);
    return header.len > len && header.at[len] == ':' &&
           text_equal_nocase((struct text){header.at, len}, (struct text){name, len});
}

/* The headers that were given, and whether one of them is the content type. */
static bool headers_add(struct bench *bench, struct buffer *out, bool *ret_has_type) {
    const struct call *call = bench->call;
    *ret_has_type = false;
    for (size_t i = 0; i < call->flag_count; i++) {
        struct text header = call->flags[i].value;
        if (strcmp(call->flags[i].flag->name, "header") != 0)
            continue;
        if (!header_is_good(header))
            return refuse(bench, "--header must be \"Name: value\"");
        if (header_is(header, "content-length") || header_is(header, "transfer-encoding") ||
            header_is(header, "host") || header_is(header, "connection"))
            return refuse(bench,
                          "--header: Host, Connection and the body's length are set already");
        *ret_has_type |= header_is(header, "content-type");
        buffer_add(out, header);
        buffer_put(out, "\r\n");
    }
    return true;
}

static bool body_get(struct bench *bench, struct text *ret_body) {
    struct text given = call_flag(bench->call, "body");
    if (bench->is_own || bench->is_calibration) {
        if (given.at != NULL || call_has(bench->call, "method"))
            return refuse(bench, "--method and --body need --target");
        return own_body_make(bench, ret_body);
    }
    *ret_body = (struct text){0};
    return given.at == NULL || client_read_text(bench->client, given, true, ret_body);
}

static bool method_get(struct bench *bench, struct text body) {
    struct text method = call_flag(bench->call, "method");
    bench->method = bench->is_own || bench->is_calibration || body.len > 0 ? "POST" : "GET";
    if (method.at == NULL)
        return true;
    for (size_t i = 0; i < method.len; i++)
        if (method.at[i] < 'A' || method.at[i] > 'Z')
            return refuse(bench, "--method must be a word in capitals, such as POST");
    if (method.len == 0 || text_equal(method, TEXT("HEAD")) || text_equal(method, TEXT("CONNECT")))
        return refuse(bench, "--method: HEAD and CONNECT are answered without a body; take GET");
    bench->method = method.at;
    return true;
}

bool requests_make(struct bench *bench) {
    struct bench_requests *requests = &bench->plan.requests;
    const struct bench_target *target = &bench->plan.target;
    struct text body;
    bool has_type;
    size_t most = 0, size = target->path.len + target->host.len + 512;
    for (size_t i = 0; i < bench->call->flag_count; i++)
        size += bench->call->flags[i].value.len + 2;
    if (!tokens_make(bench) || !body_get(bench, &body) || !method_get(bench, body))
        return false;
    struct buffer out = pool_buffer(&bench->client->pool, size + body.len);
    buffer_format(&out, "%s %.*s HTTP/1.1\r\nHost: %.*s\r\nUser-Agent: mint/" MINTD_VERSION "\r\n",
                  bench->method, (int)target->path.len, target->path.at, (int)target->host.len,
                  target->host.at);
    if (!headers_add(bench, &out, &has_type))
        return false;
    if (body.len > 0 && !has_type)
        buffer_put(&out, "Content-Type: application/json\r\n");
    if (body.len > 0 || strcmp(bench->method, "GET") != 0)
        buffer_format(&out, "Content-Length: %zu\r\n", body.len);
    if (bench->plan.is_connection_fresh)
        buffer_put(&out, "Connection: close\r\n");
    if (requests->tokens != NULL)
        buffer_put(&out, "Authorization: Bearer ");
    size_t split = requests->tokens != NULL ? out.len : 0;
    buffer_put(&out, requests->tokens != NULL ? "\r\n\r\n" : "\r\n");
    buffer_add(&out, body);
    check(!out.overflow);
    requests->before = (struct text){out.at, split > 0 ? split : out.len};
    requests->after = (struct text){out.at + requests->before.len, out.len - requests->before.len};
    for (size_t i = 0; i < requests->token_count; i++)
        most = requests->tokens[i].len > most ? requests->tokens[i].len : most;
    requests->bytes_max = out.len + most;
    return true;
}
