/* The list of requests in tests/data/http_requests.jsonl, one a line, for C and for Python.
 *
 * Each is a flat JSON object: "case" (its name), "rfc", "status" (0: to be accepted, else the
 * status of the refusal), "requests" (how many are accepted in all), "request" (the bytes, one
 * character below U+0100 each), "fill" (how many 'a' a "…" stands for), and of the last accepted
 * one "path", "body" and "keep" (whether the connection is kept). */
#ifndef REQUEST_LIST_H
#define REQUEST_LIST_H

#include "base/text.h"

struct request_case {
    char name[128];
    uint64_t status;
    uint64_t requests;
    bool keep;
    struct text path;
    struct text body;
    struct text request;
};

/* Calls for each request of the list, in its order; returns how many there are. */
size_t request_list_read(void (*call)(const struct request_case *request));

#endif
