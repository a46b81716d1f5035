/* What reading a typical POST and writing its reply cost. */
#include <stdlib.h>

#include "http/reply.h"
#include "http/request.h"
#include "measure.h"

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

static struct http_parser *parser;
static char input[sizeof(request_text)];

static void parse(void) {
    static const struct http_limits limits = {.header_bytes_max = 16384, .body_bytes_max = 65536};
    struct http_request request;
    size_t used;
    http_parser_init(parser, &limits);
    check(http_parser_feed(parser, input, 0, sizeof(input) - 1, &used) == HTTP_REQUEST);
    http_parser_request(parser, input, &request);
    check(request.body.len == 200);
}

static void write_reply(void) {
    static char body[900], memory[2048];
    static struct clock clock;
    struct http_reply reply = {
        .status = 200,
        .body = {body, sizeof(body)},
        .request_id = TEXT("5f1c2a7e-9f0b-4a39-8a52-0c1d9a7b3e11"),
    };
    struct buffer out = buffer_over(memory, sizeof(memory));
    if (clock.wall_s == 0)
        clock_update(&clock);
    http_reply_write(&reply, &clock, &out);
    check(!out.overflow && http_reply_bytes_max(&reply) >= out.len);
}

int main(void) {
    parser = malloc(http_parser_bytes());
    check(parser != NULL);
    memcpy(input, request_text, sizeof(input));
    measure("HTTP: parse a POST of 590 bytes", parse, 1);
    measure("HTTP: write a reply of 900 bytes", write_reply, 1);
    free(parser);
    return 0;
}
