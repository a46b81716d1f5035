/* Any bytes as replies, whole and byte by byte: both read the same, and stay within them. */
#include <stdlib.h>

#include "client/bench/reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct reply_reader whole = {0}, pieces = {0};
    struct reply_read reply = {0}, piece = {0};
    const char *problem = NULL;
    char *one = malloc(size + 1), *two = malloc(size + 1);
    enum reply_outcome outcome, other = REPLY_MORE;
    check(one != NULL && two != NULL);
    memcpy(one, data, size);
    memcpy(two, data, size);
    outcome = reply_read(&whole, one, size, true, &reply, &problem);
    check(outcome != REPLY_MORE);
    for (size_t len = 0; len < size && other == REPLY_MORE; len++)
        other = reply_read(&pieces, two, len, false, &piece, &problem);
    if (other == REPLY_MORE)
        other = reply_read(&pieces, two, size, true, &piece, &problem);
    check(other == outcome);
    if (outcome == REPLY_WHOLE)
        check(reply.used <= size && reply.body.at >= one &&
              reply.body.at + reply.body.len <= one + size && piece.status == reply.status &&
              piece.used == reply.used && text_equal(piece.body, reply.body));
    else
        check(problem != NULL);
    free(one);
    free(two);
    return 0;
}
