/* Requests as handlers see them, without a connection or a mint that runs. */
#include "asked.h"

#include <stdlib.h>

#define JSON_BYTES ((size_t)4 << 20)

void asked_reset(struct asked *asked) {
    struct request *request = asked->request;
    free(request->out.at);
    while (request->blocks != NULL) {
        /* The first member of a block is the next one. */
        void *block = request->blocks;
        memcpy(&request->blocks, block, sizeof(request->blocks));
        free(block);
    }
    memset(request, 0, sizeof(*request));
    request->magic = REQUEST_MAGIC;
    request->mint = &asked->mint;
    request->status = 200;
    request->arena = arena_over(request + 1, REQUEST_BYTES - sizeof(*request));
    arena_reset(&asked->arena);
}

int asked_setup(void **state) {
    struct asked *asked = calloc(1, sizeof(*asked));
    check(asked != NULL && token_start() && random_open(&asked->random));
    asked->request = calloc(1, REQUEST_BYTES);
    asked->arena = arena_over(malloc(JSON_BYTES), JSON_BYTES);
    check(asked->request != NULL && asked->arena.at != NULL);
    asked->mint = (struct mint){
        .settings = {.brand = TEXT("mint"), .attributes_bytes_max = 16384},
        .random = &asked->random,
    };
    asked_reset(asked);
    *state = asked;
    return 0;
}

int asked_teardown(void **state) {
    struct asked *asked = *state;
    asked_reset(asked);
    free(asked->arena.at);
    free(asked->request);
    random_close(&asked->random);
    free(asked);
    return 0;
}

void asked_body(struct asked *asked, struct text body) {
    struct error error;
    asked->request->body = NULL;
    if (body.len > 0)
        check(json_read(body, JSON_DEPTH_EXTRA_MAX, &asked->arena, &asked->request->body, &error));
}

struct text asked_out(const struct asked *asked) {
    return buffer_text(&asked->request->out);
}
