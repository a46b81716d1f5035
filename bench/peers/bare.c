/* The least that mints a credential: libuv, llhttp, yyjson and libsodium with nothing around them.
 *
 * The limit of mintd's design, which it is measured against: no registry, roles, policy, log,
 * metric or deadline; keep-alive, pipelining, all replies of a turn written at its end. It spends
 * as little as mintd where it can: random bytes from a pool, no malloc for a request. Settings by
 * the environment: PORT, TOKEN, SEED (64 hex digits). */
#include <llhttp.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <uv.h>
#include <yyjson.h>

#define READ_BYTES 16384
#define BODY_BYTES 16384
#define REPLY_BYTES (2 * BODY_BYTES + 4096) /* the attributes in base64, and the rest */
#define OUT_BYTES (16 * BODY_BYTES)         /* what one read can ask for, and more */
#define TOKEN_SLOTS 1024                    /* a power of two, at least twice the tokens */
#define DEFAULT_TTL_S 3600
#define SKEW_S 5
#define RUNTIME_HOST "https://runtime.example.com"
#define INSTANCE "4a8a08f0-9d2b-43ca-9149-1c1f00000000"
#define SERVICE "4a8a08f0-9d2b-43ca-9149-1c1f00000001"
#define TOKEN_ID "4a8a08f0-9d2b-43ca-9149-1c1f00000002"

static const char claims_start[] =
    "{\"iss\":\"https://issuer.example\",\"aud\":[\"" RUNTIME_HOST "\"],\"org\":\"acme\","
    "\"project\":\"dash\",\"ins\":{\"" INSTANCE "\":[25,23,21,27]}";
static const char reply_start[] =
    "{\"runtimeHost\":\"" RUNTIME_HOST "\",\"instanceId\":\"" INSTANCE "\",\"accessToken\":\"";

struct token {
    uint8_t hash[crypto_hash_sha256_BYTES];
    const char *actor; /* the claim act; NULL in a free slot */
};

struct span {
    char *at;
    size_t len;
};

struct connection {
    uv_tcp_t tcp;
    uv_write_t write;
    llhttp_t parser;
    struct span field, authorization, body, out;
    char field_bytes[64], authorization_bytes[512], body_bytes[BODY_BYTES];
    char out_bytes[OUT_BYTES];
    bool is_last, is_ready;
    struct connection *next; /* of those with something to send at the end of the turn */
};

static struct token tokens[TOKEN_SLOTS];
static uint8_t secret_key[crypto_sign_SECRETKEYBYTES];
static char header[256], pairs[4096][2];
static llhttp_settings_t settings;
static struct connection *ready;

static void fail(const char *what) {
    fprintf(stderr, "bare: %s\n", what);
    exit(1);
}

/* ---- text ----------------------------------------------------------------------------------- */

static void add(struct span *out, const void *bytes, size_t len) {
    memcpy(out->at + out->len, bytes, len);
    out->len += len;
}

static void put(struct span *out, const char *text) {
    add(out, text, strlen(text));
}

static void put_number(struct span *out, uint64_t number) {
    char digits[20];
    size_t at = sizeof(digits);
    do {
        digits[--at] = (char)('0' + number % 10);
    } while ((number /= 10) > 0);
    add(out, digits + at, sizeof(digits) - at);
}

/* Two characters at a time. */
static void put_base64(struct span *out, const void *bytes, size_t len) {
    const uint8_t *in = bytes;
    char *to = out->at + out->len;
    for (; len >= 3; len -= 3, in += 3, to += 4) {
        uint32_t three = (uint32_t)in[0] << 16 | (uint32_t)in[1] << 8 | in[2];
        memcpy(to, pairs[three >> 12], 2);
        memcpy(to + 2, pairs[three & 4095], 2);
    }
    if (len > 0) {
        uint32_t rest = (uint32_t)in[0] << 16 | (len == 2 ? (uint32_t)in[1] << 8 : 0);
        memcpy(to, pairs[rest >> 12], 2);
        to[2] = pairs[rest & 4095][0];
        to += len + 1;
    }
    out->len = (size_t)(to - out->at);
}

/* ---- one credential ------------------------------------------------------------------------- */

/* The slot of a token, or the free one where it would stand. */
static struct token *token_slot(const uint8_t hash[static crypto_hash_sha256_BYTES]) {
    size_t at;
    memcpy(&at, hash, sizeof(at));
    for (;; at++) {
        struct token *token = &tokens[at % TOKEN_SLOTS];
        if (token->actor == NULL || sodium_memcmp(token->hash, hash, sizeof(token->hash)) == 0)
            return token;
    }
}

static const struct token *token_find(struct span authorization) {
    uint8_t hash[crypto_hash_sha256_BYTES];
    if (authorization.len < 7 || memcmp(authorization.at, "Bearer ", 7) != 0)
        return NULL;
    crypto_hash_sha256(hash, (const uint8_t *)authorization.at + 7, authorization.len - 7);
    const struct token *token = token_slot(hash);
    return token->actor != NULL ? token : NULL;
}

/* From a pool, since each getrandom is a system call. */
static void put_token_id(struct span *out) {
    static uint8_t pool[4096];
    static size_t left;
    char hex[33];
    if (left == 0)
        randombytes_buf(pool, left = sizeof(pool));
    left -= 16;
    sodium_bin2hex(hex, sizeof(hex), pool + left, 16);
    put(out, hex);
}

static void put_claims(struct span *out, const struct token *token, uint64_t ttl_s,
                       const char *attributes, size_t len) {
    uint64_t now_s = (uint64_t)time(NULL);
    put(out, claims_start);
    put(out, token->actor);
    put(out, ",\"iat\":");
    put_number(out, now_s);
    put(out, ",\"nbf\":");
    put_number(out, now_s - SKEW_S);
    put(out, ",\"exp\":");
    put_number(out, now_s + ttl_s);
    put(out, ",\"jti\":\"");
    put_token_id(out);
    put(out, "\",\"attr\":");
    add(out, attributes, len);
    put(out, "}");
}

static void put_jwt(struct span *out, struct span claims) {
    uint8_t signature[crypto_sign_BYTES];
    size_t start = out->len;
    put(out, header);
    put_base64(out, claims.at, claims.len);
    crypto_sign_detached(signature, NULL, (const uint8_t *)out->at + start, out->len - start,
                         secret_key);
    put(out, ".");
    put_base64(out, signature, sizeof(signature));
}

static void put_reply(struct span *out, const char *status, struct span body) {
    put(out, "HTTP/1.1 ");
    put(out, status);
    put(out, "\r\nContent-Type: application/json\r\nCache-Control: no-store\r\nContent-Length: ");
    put_number(out, body.len);
    put(out, "\r\n\r\n");
    add(out, body.at, body.len);
}

static void refuse(struct span *out, const char *status) {
    char bytes[64];
    struct span body = {bytes, 0};
    put(&body, "{\"message\":\"");
    put(&body, status);
    put(&body, "\"}");
    put_reply(out, status, body);
}

/* Numbers are read as they are spelled, those of the attributes stay so. 0 if it is none. */
static uint64_t ttl_of(yyjson_val *number) {
    const char *digits = yyjson_get_raw(number);
    char *end = NULL;
    uint64_t value = digits == NULL ? 0 : strtoull(digits, &end, 10);
    return digits != NULL && end == digits + yyjson_get_len(number) ? value : 0;
}

/* The body was read; what may be wrong with it is a 400. */
static void issue(struct span *out, const struct token *token, yyjson_val *root,
                  const yyjson_alc *memory) {
    static char claims_bytes[REPLY_BYTES], body_bytes[REPLY_BYTES];
    struct span claims = {claims_bytes, 0}, body = {body_bytes, 0};
    yyjson_val *attributes = yyjson_obj_get(root, "attributes");
    yyjson_val *ttl = yyjson_obj_get(root, "ttl_seconds");
    uint64_t ttl_s = ttl == NULL ? DEFAULT_TTL_S : ttl_of(ttl);
    size_t len;
    char *text = yyjson_val_write_opts(attributes, 0, memory, &len, NULL);
    if (!yyjson_is_obj(attributes) || ttl_s == 0 || ttl_s > 86400 || text == NULL) {
        refuse(out, "400 Bad Request");
        return;
    }
    put_claims(&claims, token, ttl_s, text, len);
    put(&body, reply_start);
    put_jwt(&body, claims);
    put(&body, "\",\"ttlSeconds\":");
    put_number(&body, ttl_s);
    put(&body, ",\"refreshAfterSeconds\":");
    put_number(&body, ttl_s * 4 / 5);
    put(&body, "}");
    put_reply(out, "200 OK", body);
}

static void answer(struct connection *c) {
    static char memory_bytes[16 * BODY_BYTES];
    yyjson_alc memory;
    if (c->parser.method != HTTP_POST) {
        refuse(&c->out, "405 Method Not Allowed");
        return;
    }
    const struct token *token = token_find(c->authorization);
    if (token == NULL) {
        refuse(&c->out, "401 Unauthorized");
        return;
    }
    yyjson_alc_pool_init(&memory, memory_bytes, sizeof(memory_bytes));
    yyjson_doc *document =
        yyjson_read_opts(c->body.at, c->body.len, YYJSON_READ_NUMBER_AS_RAW, &memory, NULL);
    issue(&c->out, token, yyjson_doc_get_root(document), &memory);
}

/* ---- connections ---------------------------------------------------------------------------- */

static void on_closed(uv_handle_t *handle) {
    free(handle->data);
}

static void close_connection(struct connection *c) {
    if (!uv_is_closing((uv_handle_t *)&c->tcp))
        uv_close((uv_handle_t *)&c->tcp, on_closed);
}

static void on_room(uv_handle_t *handle, size_t size, uv_buf_t *ret_room);
static void on_read(uv_stream_t *stream, ssize_t len, const uv_buf_t *room);

static void on_written(uv_write_t *write, int status) {
    struct connection *c = write->data;
    c->out.len = 0;
    if (status != 0 || c->is_last || uv_read_start((uv_stream_t *)&c->tcp, on_room, on_read) != 0)
        close_connection(c);
}

/* Sends what was made in this turn; a client that does not take it is not read from. */
static void flush(struct connection *c) {
    uv_stream_t *stream = (uv_stream_t *)&c->tcp;
    uv_buf_t left = uv_buf_init(c->out.at, (unsigned)c->out.len);
    int sent = uv_try_write(stream, &left, 1);
    if (sent == (int)c->out.len && !c->is_last) {
        c->out.len = 0;
        return;
    }
    if (sent > 0)
        left = uv_buf_init(left.base + sent, (unsigned)(c->out.len - (size_t)sent));
    uv_read_stop(stream);
    c->write.data = c;
    if ((sent < 0 && sent != UV_EAGAIN) || uv_write(&c->write, stream, &left, 1, on_written) != 0)
        close_connection(c);
}

/* At the end of the turn: replies in a row wake a client that is busy already. */
static void flush_all(uv_check_t *check) {
    (void)check;
    while (ready != NULL) {
        struct connection *c = ready;
        ready = c->next;
        c->is_ready = false;
        if (!uv_is_closing((uv_handle_t *)&c->tcp))
            flush(c);
    }
}

/* What of a message arrives in pieces; too long is an error. */
static int collect(struct span *span, size_t max, const char *at, size_t len) {
    if (span->len + len > max)
        return HPE_USER;
    add(span, at, len);
    return HPE_OK;
}

static int on_begin(llhttp_t *parser) {
    struct connection *c = parser->data;
    c->field.len = c->authorization.len = c->body.len = 0;
    return HPE_OK;
}

static int on_field(llhttp_t *parser, const char *at, size_t len) {
    struct connection *c = parser->data;
    return collect(&c->field, sizeof(c->field_bytes), at, len);
}

static bool is_authorization(const struct connection *c) {
    return c->field.len == 13 && strncasecmp(c->field.at, "authorization", 13) == 0;
}

static int on_value(llhttp_t *parser, const char *at, size_t len) {
    struct connection *c = parser->data;
    return is_authorization(c) ? collect(&c->authorization, sizeof(c->authorization_bytes), at, len)
                               : HPE_OK;
}

static int on_value_complete(llhttp_t *parser) {
    struct connection *c = parser->data;
    c->field.len = 0;
    return HPE_OK;
}

static int on_body(llhttp_t *parser, const char *at, size_t len) {
    struct connection *c = parser->data;
    return collect(&c->body, sizeof(c->body_bytes), at, len);
}

static int on_message(llhttp_t *parser) {
    struct connection *c = parser->data;
    if (c->out.len + REPLY_BYTES > OUT_BYTES)
        return HPE_USER;
    answer(c);
    c->is_last = !llhttp_should_keep_alive(parser);
    return c->is_last ? HPE_PAUSED : HPE_OK;
}

static void on_room(uv_handle_t *handle, size_t size, uv_buf_t *ret_room) {
    static char bytes[READ_BYTES];
    (void)handle;
    (void)size;
    *ret_room = uv_buf_init(bytes, sizeof(bytes));
}

static void on_read(uv_stream_t *stream, ssize_t len, const uv_buf_t *room) {
    struct connection *c = stream->data;
    if (len == 0)
        return;
    if (len < 0 || (llhttp_execute(&c->parser, room->base, (size_t)len) != HPE_OK && !c->is_last)) {
        close_connection(c);
        return;
    }
    if (c->out.len > 0 && !c->is_ready) {
        c->is_ready = true;
        c->next = ready;
        ready = c;
    }
}

static void on_connection(uv_stream_t *listener, int status) {
    struct connection *c = calloc(1, sizeof(*c));
    if (status != 0 || c == NULL)
        fail("no connection");
    uv_tcp_init(listener->loop, &c->tcp);
    c->tcp.data = c;
    c->field.at = c->field_bytes;
    c->authorization.at = c->authorization_bytes;
    c->body.at = c->body_bytes;
    c->out.at = c->out_bytes;
    llhttp_init(&c->parser, HTTP_REQUEST, &settings);
    c->parser.data = c;
    if (uv_accept(listener, (uv_stream_t *)&c->tcp) != 0 || uv_tcp_nodelay(&c->tcp, 1) != 0 ||
        uv_read_start((uv_stream_t *)&c->tcp, on_room, on_read) != 0)
        close_connection(c);
}

/* ---- job ------------------------------------------------------------------------------------ */

static void pairs_make(void) {
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    for (size_t i = 0; i < 4096; i++) {
        pairs[i][0] = alphabet[i >> 6];
        pairs[i][1] = alphabet[i & 63];
    }
}

static void header_make(const uint8_t key[static crypto_sign_PUBLICKEYBYTES]) {
    uint8_t thumb[crypto_hash_sha256_BYTES];
    char text_bytes[256];
    struct span text = {text_bytes, 0}, out = {header, 0};
    put(&text, "{\"crv\":\"Ed25519\",\"kty\":\"OKP\",\"x\":\"");
    put_base64(&text, key, crypto_sign_PUBLICKEYBYTES);
    put(&text, "\"}");
    crypto_hash_sha256(thumb, (const uint8_t *)text.at, text.len);
    text.len = 0;
    put(&text, "{\"alg\":\"EdDSA\",\"typ\":\"JWT\",\"kid\":\"");
    put_base64(&text, thumb, sizeof(thumb));
    put(&text, "\"}");
    put_base64(&out, text.at, text.len);
    add(&out, ".", 2);
}

static void secrets_take(const char *token_text, const char *seed_hex) {
    uint8_t seed[crypto_sign_SEEDBYTES], public_key[crypto_sign_PUBLICKEYBYTES];
    uint8_t hash[crypto_hash_sha256_BYTES];
    size_t len;
    if (sodium_hex2bin(seed, sizeof(seed), seed_hex, strlen(seed_hex), NULL, &len, NULL) != 0 ||
        len != sizeof(seed))
        fail("SEED must be 64 hex digits");
    crypto_sign_seed_keypair(public_key, secret_key, seed);
    header_make(public_key);
    crypto_hash_sha256(hash, (const uint8_t *)token_text, strlen(token_text));
    struct token *token = token_slot(hash);
    memcpy(token->hash, hash, sizeof(hash));
    token->actor = ",\"act\":{\"sub\":\"svc_" SERVICE "\",\"tid\":\"" TOKEN_ID "\"}";
}

int main(void) {
    const char *port = getenv("PORT"), *token = getenv("TOKEN"), *seed = getenv("SEED");
    struct sockaddr_in address;
    uv_tcp_t listener;
    uv_check_t turn;
    if (port == NULL || token == NULL || seed == NULL || sodium_init() < 0)
        fail("PORT, TOKEN and SEED must be set");
    pairs_make();
    secrets_take(token, seed);
    llhttp_settings_init(&settings);
    settings.on_message_begin = on_begin;
    settings.on_header_field = on_field;
    settings.on_header_value = on_value;
    settings.on_header_value_complete = on_value_complete;
    settings.on_body = on_body;
    settings.on_message_complete = on_message;
    uv_check_init(uv_default_loop(), &turn);
    uv_check_start(&turn, flush_all);
    uv_tcp_init(uv_default_loop(), &listener);
    if (uv_ip4_addr("127.0.0.1", (int)strtol(port, NULL, 10), &address) != 0 ||
        uv_tcp_bind(&listener, (const struct sockaddr *)&address, 0) != 0 ||
        uv_listen((uv_stream_t *)&listener, 1024, on_connection) != 0)
        fail("cannot listen");
    return uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}
