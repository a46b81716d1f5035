/* `mint bench`: its parts and what they share. */
#ifndef CLIENT_BENCH_BENCH_H
#define CLIENT_BENCH_BENCH_H

#include "client/bench/knee.h"
#include "client/bench/load.h"
#include "client/run.h"

struct bench {
    struct client *client;
    const struct call *call;
    const char *method;
    struct plan plan;
    bool is_calibration;
    bool is_own;               /* a mintd's credentials, not another --target */
    struct load_result result; /* of the run, or of the one below the knee */
    struct sample_check check;
    struct knee knee; /* with --find-knee */
    bool has_line;
};

/* The percentiles that are shown. */
struct bench_quantile {
    const char *name;
    double quantile;
};
#define BENCH_QUANTILES 6
extern const struct bench_quantile bench_quantiles[BENCH_QUANTILES];

/* Reads an http:// or unix:/ URL and looks its address up; `path` (empty: the URL's own) is asked
 * for there. False after saying why. */
must_check bool target_read(struct bench *bench, struct text url, struct text path);
/* Makes the requests out of flags, tokens and files. False after saying what is wrong. */
must_check bool requests_make(struct bench *bench);
/* A whole number of a flag, or its default. False after saying that it is not in the range. */
must_check bool bench_number(const struct bench *bench, const char *flag, uint64_t otherwise,
                             uint64_t least, uint64_t most, uint64_t *ret_number);

/* Runs the plan, and says on a terminal how it goes. False after saying what failed. */
must_check bool bench_load(struct bench *bench, const struct plan *plan,
                           struct load_result *ret_result);
/* Raises the rate until the target does not keep up; then runs at 70 % of the highest that it
 * did. */
must_check bool bench_find_knee(struct bench *bench, uint64_t step_s);

/* A server within this process that answers every so many bytes with the same: what is measured
 * then is this program. NULL if it cannot start. */
struct responder;
struct responder *responder_open(struct text *ret_url);
/* How long each request is; to be said before the first. */
void responder_expect(struct responder *responder, size_t request_bytes);
void responder_close(struct responder *responder);

/* What was found: for people, as JSON, and as a page with plots. */
void report_text(struct bench *bench, struct buffer *out);
void report_json(const struct bench *bench, struct buffer *out);
void report_html(struct bench *bench, struct buffer *out);
/* A sufficient size of the last two. */
size_t report_bytes_max(const struct bench *bench);
/* "POST http://…" and "open loop at 2000/s over 32 connections, …". */
void report_target(const struct bench *bench, struct buffer *out);
void report_load(const struct bench *bench, struct buffer *out);
/* "1.23 ms" */
void report_time(struct buffer *out, double ns);

#endif
