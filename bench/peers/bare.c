/* The limit of mintd's design: what a credential costs with the same libraries and nothing else.
 *
 * libuv, llhttp, yyjson and libsodium do one request after the other: the token's hash is looked
 * up, the body read, claims written, signed, and answered. No registry, no roles, no limits, no
 * log, no metrics. One thread, one write per read. Settings by the environment: PORT, TOKEN, SEED
 * (64 hex digits). */
#include <arpa/inet.h>
#include <llhttp.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <uv.h>
#include <yyjson.h>

#define OUT_BYTES 65536

struct connection {
    uv_tcp_t tcp;
    llhttp_t parser;
    char in[65536];
    char body[8192];
    size_t body_len;
    char token[128];
    size_t token_len;
    const char *field;
    size_t field_len;
    char out[OUT_BYTES];
    size_t out_len;
};

static uint8_t token_hash[32], secret_key[64];
static char header[256], kid[64];
static llhttp_settings_t settings;
static uv_loop_t loop;

static size_t base64(char *out, const void *bytes, size_t len) {
    sodium_bin2base64(out, sodium_base64_ENCODED_LEN(len, sodium_base64_VARIANT_URLSAFE_NO_PADDING),
                      bytes, len, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    return strlen(out);
}

/* ---- a credential ---------------------------------------------------------------------------- */

static int claims_write(char *out, size_t size, const char *attributes, long ttl) {
    uint8_t jti[16];
    char jti_hex[33];
    long now = (long)time(NULL);
    randombytes_buf(jti, sizeof(jti));
    sodium_bin2hex(jti_hex, sizeof(jti_hex), jti, sizeof(jti));
    return snprintf(
        out, size,
        "{\"iss\":\"https://issuer.example\",\"aud\":[\"https://runtime.example.com\"],"
        "\"org\":\"acme\",\"project\":\"dash\",\"ins\":{\"4a8a08f0-9d2b-43ca-9149-1c1f00000000\":"
        "[25,23,21,27]},\"act\":{\"sub\":\"svc_4a8a08f0-9d2b-43ca-9149-1c1f00000001\",\"tid\":"
        "\"4a8a08f0-9d2b-43ca-9149-1c1f00000002\"},\"iat\":%ld,\"nbf\":%ld,\"exp\":%ld,"
        "\"jti\":\"%s\",\"attr\":%s}",
        now, now - 5, now + ttl, jti_hex, attributes);
}

/* Writes the JWT; 0 if the body is no request. */
static size_t jwt_write(char *out, const char *body, size_t len) {
    char claims[4096];
    uint8_t signature[64];
    yyjson_doc *doc = yyjson_read(body, len, 0);
    yyjson_val *attributes = yyjson_obj_get(yyjson_doc_get_root(doc), "attributes");
    yyjson_val *ttl = yyjson_obj_get(yyjson_doc_get_root(doc), "ttl_seconds");
    char *text = attributes != NULL ? yyjson_val_write(attributes, 0, NULL) : NULL;
    size_t size = 0;
    if (text != NULL) {
        int claims_len = claims_write(claims, sizeof(claims), text, (long)yyjson_get_sint(ttl));
        size = strlen(header);
        memcpy(out, header, size);
        size += base64(out + size, claims, (size_t)claims_len);
        (void)crypto_sign_detached(signature, NULL, (const uint8_t *)out, size, secret_key);
        out[size++] = '.';
        size += base64(out + size, signature, sizeof(signature));
    }
    free(text);
    yyjson_doc_free(doc);
    return size;
}

static int is_known(const struct connection *connection) {
    uint8_t hash[32];
    (void)crypto_hash_sha256(hash, (const uint8_t *)connection->token, connection->token_len);
    return sodium_memcmp(hash, token_hash, sizeof(hash)) == 0;
}

static void reply(struct connection *connection) {
    char body[6144], jwt[4096];
    const char *status = "401 Unauthorized";
    int len = snprintf(body, sizeof(body), "{\"code\":16,\"message\":\"no\",\"details\":[]}");
    if (is_known(connection)) {
        size_t jwt_len = jwt_write(jwt, connection->body, connection->body_len);
        status = jwt_len > 0 ? "200 OK" : "400 Bad Request";
        len = snprintf(body, sizeof(body),
                       "{\"runtimeHost\":\"https://runtime.example.com\",\"instanceId\":"
                       "\"4a8a08f0-9d2b-43ca-9149-1c1f00000000\",\"accessToken\":\"%.*s\","
                       "\"ttlSeconds\":3600,\"refreshAfterSeconds\":2880}",
                       (int)jwt_len, jwt);
    }
    if (connection->out_len + (size_t)len + 256 > OUT_BYTES)
        return;
    connection->out_len += (size_t)snprintf(
        connection->out + connection->out_len, OUT_BYTES - connection->out_len,
        "HTTP/1.1 %s\r\nContent-Type: application/json\r\nCache-Control: no-store\r\n"
        "Content-Length: %d\r\n\r\n%.*s",
        status, len, len, body);
}

/* ---- HTTP ------------------------------------------------------------------------------------ */

static int on_begin(llhttp_t *parser) {
    struct connection *connection = parser->data;
    connection->body_len = connection->token_len = connection->field_len = 0;
    return 0;
}

static int on_field(llhttp_t *parser, const char *at, size_t len) {
    struct connection *connection = parser->data;
    connection->field = at;
    connection->field_len = len;
    return 0;
}

static int on_value(llhttp_t *parser, const char *at, size_t len) {
    struct connection *connection = parser->data;
    if (connection->field_len == 13 && strncasecmp(connection->field, "Authorization", 13) == 0 &&
        len > 7 && len - 7 < sizeof(connection->token)) {
        connection->token_len = len - 7;
        memcpy(connection->token, at + 7, connection->token_len);
    }
    return 0;
}

static int on_body(llhttp_t *parser, const char *at, size_t len) {
    struct connection *connection = parser->data;
    if (connection->body_len + len > sizeof(connection->body))
        return -1;
    memcpy(connection->body + connection->body_len, at, len);
    connection->body_len += len;
    return 0;
}

static int on_complete(llhttp_t *parser) {
    reply(parser->data);
    return 0;
}

/* ---- libuv ----------------------------------------------------------------------------------- */

static void on_closed(uv_handle_t *handle) {
    free(handle->data);
}

static void on_memory(uv_handle_t *handle, size_t size, uv_buf_t *ret) {
    struct connection *connection = handle->data;
    (void)size;
    *ret = uv_buf_init(connection->in, sizeof(connection->in));
}

static void on_read(uv_stream_t *stream, ssize_t len, const uv_buf_t *buffer) {
    struct connection *connection = stream->data;
    connection->out_len = 0;
    if (len < 0 || llhttp_execute(&connection->parser, buffer->base, (size_t)len) != HPE_OK) {
        uv_close((uv_handle_t *)stream, on_closed);
        return;
    }
    uv_buf_t out = uv_buf_init(connection->out, (unsigned)connection->out_len);
    if (out.len > 0 && uv_try_write(stream, &out, 1) != (int)out.len)
        uv_close((uv_handle_t *)stream, on_closed); /* a reader this slow is not what is measured */
}

static void on_connection(uv_stream_t *listener, int status) {
    struct connection *connection = calloc(1, sizeof(*connection));
    if (connection == NULL || status != 0)
        abort();
    (void)uv_tcp_init(&loop, &connection->tcp);
    connection->tcp.data = connection;
    llhttp_init(&connection->parser, HTTP_REQUEST, &settings);
    connection->parser.data = connection;
    if (uv_accept(listener, (uv_stream_t *)&connection->tcp) != 0)
        abort();
    (void)uv_tcp_nodelay(&connection->tcp, 1);
    (void)uv_read_start((uv_stream_t *)&connection->tcp, on_memory, on_read);
}

static void keys_make(const char *token, const char *seed_hex) {
    uint8_t seed[32], public_key[32], thumb[32];
    char x[64], jwk[256], json[256];
    size_t len;
    if (sodium_hex2bin(seed, sizeof(seed), seed_hex, strlen(seed_hex), NULL, &len, NULL) != 0 ||
        len != sizeof(seed))
        abort();
    (void)crypto_sign_seed_keypair(public_key, secret_key, seed);
    (void)base64(x, public_key, sizeof(public_key));
    int size = snprintf(jwk, sizeof(jwk), "{\"crv\":\"Ed25519\",\"kty\":\"OKP\",\"x\":\"%s\"}", x);
    (void)crypto_hash_sha256(thumb, (const uint8_t *)jwk, (unsigned)size);
    (void)base64(kid, thumb, sizeof(thumb));
    size = snprintf(json, sizeof(json), "{\"alg\":\"EdDSA\",\"typ\":\"JWT\",\"kid\":\"%s\"}", kid);
    len = base64(header, json, (size_t)size);
    memcpy(header + len, ".", 2);
    (void)crypto_hash_sha256(token_hash, (const uint8_t *)token, strlen(token));
}

int main(void) {
    const char *port = getenv("PORT"), *token = getenv("TOKEN"), *seed = getenv("SEED");
    struct sockaddr_in address;
    uv_tcp_t listener;
    if (port == NULL || token == NULL || seed == NULL || sodium_init() < 0) {
        (void)fprintf(stderr, "bare: PORT, TOKEN and SEED must be set\n");
        return 2;
    }
    keys_make(token, seed);
    llhttp_settings_init(&settings);
    settings.on_message_begin = on_begin;
    settings.on_header_field = on_field;
    settings.on_header_value = on_value;
    settings.on_body = on_body;
    settings.on_message_complete = on_complete;
    if (uv_loop_init(&loop) != 0 || uv_tcp_init(&loop, &listener) != 0 ||
        uv_ip4_addr("127.0.0.1", (int)strtol(port, NULL, 10), &address) != 0 ||
        uv_tcp_bind(&listener, (const struct sockaddr *)&address, 0) != 0 ||
        uv_listen((uv_stream_t *)&listener, 1024, on_connection) != 0) {
        (void)fprintf(stderr, "bare: cannot listen on port %s\n", port);
        return 1;
    }
    return uv_run(&loop, UV_RUN_DEFAULT);
}
