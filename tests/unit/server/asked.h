/* Requests as handlers see them, without a connection or a mint that runs. */
#ifndef UNIT_SERVER_ASKED_H
#define UNIT_SERVER_ASKED_H

#include "mint/request.h"

/* A request with its memory behind it, and a mint with the little that handlers look at. */
struct asked {
    struct mint mint;
    struct random random;
    struct arena arena; /* of the body's JSON */
    struct request *request;
};
/* cmocka's setup and teardown for tests whose state is a struct asked. */
int asked_setup(void **state);
int asked_teardown(void **state);
/* As if no request had been before. */
void asked_reset(struct asked *asked);
/* Gives it a body; the text must be good JSON. Empty: none. */
void asked_body(struct asked *asked, struct text body);
/* What was written with request_out. */
struct text asked_out(const struct asked *asked);

#endif
