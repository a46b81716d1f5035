/* What reading a typical POST and writing its reply cost. */
#include <stdio.h>
#include <stdlib.h>

#include "http/reply.h"
#include "http/request.h"

enum { ROUNDS = 2000000 };

static const char request_text[] =
    "POST /v1/orgs/acme/projects/dashboards/credentials HTTP/1.1\r\n"
    "Host: mint.example.com\r\n"
    "User-Agent: python-requests/2.31.0\r\n"
    "Accept-Encoding: gzip, deflate\r\n"
    "Accept: */*\r\n"
    "Connection: keep-alive\r\n"
    "Authorization: Bearer "
    "mint_svc_0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWX\r\n"
    "X-Request-Id: 5f1c2a7e-9f0b-4a39-8a52-0c1d9a7b3e11\r\n"
    "Content-Type: application/json\r\n"
    "Content-Length: 200\r\n\r\n"
    "{\"ttl_seconds\":3600,\"attributes\":{\"tenant\":\"north\",\"email\":\"someone@example.com\","
    "\"groups\":[\"readers\",\"finance\"],\"region\":\"eu-central-1\"},\"external_user_id\":"
    "\"user-0123456789-0123456789-01234567890123\"}";

static double bench_parse(void) {
    static const struct http_limits limits = {.header_bytes_max = 16384, .body_bytes_max = 65536};
    struct http_parser *parser = malloc(http_parser_bytes());
    char buffer[sizeof(request_text)];
    check(parser != NULL);
    memcpy(buffer, request_text, sizeof(request_text));
    uint64_t start = clock_monotonic_ns();
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct http_request request;
        size_t used;
        http_parser_init(parser, &limits);
        check(http_parser_feed(parser, buffer, 0, sizeof(request_text) - 1, &used) == HTTP_REQUEST);
        http_parser_request(parser, buffer, &request);
        check(request.body.len == 200);
    }
    double ns = (double)(clock_monotonic_ns() - start) / ROUNDS;
    free(parser);
    return ns;
}

static double bench_write(void) {
    static char body[900], memory[2048];
    struct clock clock = {0};
    struct http_reply reply = {
        .status = 200,
        .body = {body, sizeof(body)},
        .request_id = TEXT("5f1c2a7e-9f0b-4a39-8a52-0c1d9a7b3e11"),
    };
    clock_update(&clock);
    uint64_t start = clock_monotonic_ns();
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct buffer out = buffer_over(memory, sizeof(memory));
        http_reply_write(&reply, &clock, &out);
        check(!out.overflow && http_reply_bytes_max(&reply) >= out.len);
    }
    return (double)(clock_monotonic_ns() - start) / ROUNDS;
}

int main(void) {
    (void)printf("parse a POST of %zu bytes  %7.1f ns\n", sizeof(request_text) - 1, bench_parse());
    (void)printf("write a reply of 900 bytes %7.1f ns\n", bench_write());
    return 0;
}
