/* A fair sample of the bodies that were answered, and the check of the credentials in them. */
#ifndef CLIENT_BENCH_SAMPLE_H
#define CLIENT_BENCH_SAMPLE_H

#include "token/json.h"

#define SAMPLES_MAX 100000U
/* Of all bodies kept by a thread: with large ones the sample gets smaller. */
#define SAMPLE_BYTES_MAX (64U << 20)

/* Of all bodies seen each is kept with the same chance (Vitter's algorithm R), whatever their
 * number. They are checked behind the run, so that checking costs no latency. All zeros but
 * `max` and a `state` other than 0 is one that has seen none. */
struct samples {
    struct text *bodies; /* malloc'ed, and so each */
    size_t count;
    size_t max; /* 0: keep none */
    size_t bytes;
    uint64_t seen;
    uint64_t state;
};
void samples_see(struct samples *samples, struct text body);
/* Moves what `from` keeps to the end of `into`. */
void samples_move(struct samples *into, struct samples *from);
void samples_free(struct samples *samples);

struct sample_check {
    struct text field;       /* the member that is the credential */
    const struct json *jwks; /* NULL: only that the member is there */
    size_t checked;          /* credentials */
    size_t wrong;            /* signatures, or unknown keys */
    size_t missing;          /* bodies, or parts of a batch, without a credential */
    char why[128];           /* of the first that was not good */
};
/* Checks every body: {"<field>":"…"} or {"credentials":[{"<field>":"…"}…]}. */
void samples_check(const struct samples *samples, struct sample_check *check);
/* Whether the body is a JSON object with the member, a string that is not empty. */
bool body_has_field(struct text body, struct text field, void *memory, size_t bytes);

#endif
