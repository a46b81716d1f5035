/* HTTP/1.1 replies as a load generator needs them: read strictly, in place, from bytes in pieces.
 */
#ifndef CLIENT_BENCH_REPLY_H
#define CLIENT_BENCH_REPLY_H

#include "base/text.h"

/* A head beyond this is refused; a body too (256 credentials of 8 KiB are half of it). */
#define REPLY_HEAD_BYTES_MAX (16U << 10)
#define REPLY_BODY_BYTES_MAX (4U << 20)

/* Where the reading of one reply is; all zeros before its first byte. */
struct reply_reader {
    enum { REPLY_HEAD, REPLY_LENGTH, REPLY_SIZE, REPLY_DATA, REPLY_TRAILER, REPLY_END } state;
    unsigned status;
    bool closes;      /* the server closes the connection after this reply */
    bool is_chunked;  /* while the head is read */
    bool has_length;  /* while the head is read */
    size_t at;        /* read so far */
    size_t left;      /* of the body or the chunk; REPLY_END: unknown */
    size_t body;      /* where it starts */
    size_t body_ends; /* chunks are moved together up to here */
};

/* A whole reply; the body points into the bytes. */
struct reply_read {
    unsigned status;
    bool closes;
    struct text body;
    size_t used; /* bytes, from the first on; what follows is the next reply's */
};

enum reply_outcome {
    REPLY_MORE,  /* as far as there are bytes: call again with these and more behind them */
    REPLY_WHOLE, /* the reader is ready for the next reply */
    REPLY_BAD,   /* no HTTP/1.1, or more than the limits; `ret_problem` says what */
};
/* Reads one reply, of which `len` bytes are there; `is_ended`: the server has closed. Interim
 * replies (1xx) are passed over. Refused: bare LF, folded lines, a name that is no token, both or
 * two different lengths, codings other than chunked (RFC 9112 §§4 to 7). */
must_check enum reply_outcome reply_read(struct reply_reader *reader, char *bytes, size_t len,
                                         bool is_ended, struct reply_read *ret_reply,
                                         const char **ret_problem);

#endif
