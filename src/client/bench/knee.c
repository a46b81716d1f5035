/* The search for the knee: the highest rate that the target keeps up with. */
#include "client/bench/bench.h"

#include <unistd.h>

#define RATE_DEFAULT 1000.0
#define RATE_MAX 10000000.0
#define GOODPUT_MIN 0.99
/* The 99th percentile has exploded when it is this many times the lowest seen, and no trifle. */
#define P99_TIMES 10
#define P99_NS_MIN 10000000ULL
/* The step between the last rate that was good and the first that was not is halved so often:
 * from a factor of two to 4 %. */
#define HALVINGS 4
#define SHARE 0.7

static bool step_is_good(const struct bench *bench, const struct bench_step *step) {
    uint64_t least_ns = step->p99_ns;
    for (size_t i = 0; i < bench->step_count; i++)
        if (bench->steps[i].is_good && bench->steps[i].p99_ns < least_ns)
            least_ns = bench->steps[i].p99_ns;
    bool has_exploded = step->p99_ns > P99_NS_MIN && step->p99_ns > P99_TIMES * least_ns;
    return step->goodput >= GOODPUT_MIN * step->rate && !has_exploded;
}

static void step_show(const struct bench *bench, const struct bench_step *step) {
    char memory[200];
    struct buffer out = buffer_over(memory, sizeof(memory));
    if (bench->client->is_quiet)
        return;
    buffer_format(&out, "%9.0f/s offered  %9.0f/s good  p99 ", step->rate, step->goodput);
    report_time(&out, (double)step->p99_ns);
    buffer_put(&out, step->is_good ? "\n" : "  not kept up with\n");
    (void)!write(STDERR_FILENO, out.at, out.len);
}

/* Kept in the order of the rates, for the plot. */
static void step_keep(struct bench *bench, const struct bench_step *step) {
    size_t i = bench->step_count;
    check(bench->step_count < BENCH_STEPS_MAX);
    for (; i > 0 && bench->steps[i - 1].rate > step->rate; i--)
        bench->steps[i] = bench->steps[i - 1];
    bench->steps[i] = *step;
    bench->step_count++;
}

static bool step_run(struct bench *bench, double rate, uint64_t step_s, bool *ret_is_good) {
    struct plan plan = bench->plan;
    struct load_result *result = &bench->result;
    plan.rate = rate;
    plan.duration_ns = step_s * 1000000000;
    plan.samples_max = 0;
    if (!bench_load(bench, &plan, result))
        return false;
    struct bench_step step = {
        .rate = rate,
        .goodput = load_goodput(result),
        .p50_ns = latencies_at(&result->tally.latencies, 0.5),
        .p99_ns = latencies_at(&result->tally.latencies, 0.99),
        .max_ns = counter_get(&result->tally.latencies.max_ns),
    };
    *ret_is_good = step.is_good = step_is_good(bench, &step);
    step_show(bench, &step);
    if (!load_is_interrupted())
        step_keep(bench, &step);
    return true;
}

/* A rate that was not kept up with is tried again: it may have been another program's doing. */
static bool rate_try(struct bench *bench, double rate, uint64_t step_s, bool *ret_is_good) {
    for (int i = 0; i < 2; i++)
        if (!step_run(bench, rate, step_s, ret_is_good))
            return false;
        else if (*ret_is_good || load_is_interrupted())
            break;
    if (*ret_is_good && rate > bench->knee)
        bench->knee = rate;
    return true;
}

bool bench_find_knee(struct bench *bench, uint64_t step_s) {
    double rate = bench->plan.rate > 0 ? bench->plan.rate : RATE_DEFAULT;
    bool is_good = true;
    for (; is_good && rate <= RATE_MAX && !load_is_interrupted(); rate *= 2)
        if (!rate_try(bench, rate, step_s, &is_good))
            return false;
    double bad = rate / 2; /* of what was tried last */
    for (int i = 0; i < HALVINGS && bench->knee > 0 && !load_is_interrupted(); i++) {
        rate = (bench->knee + bad) / 2;
        if (!rate_try(bench, rate, step_s, &is_good))
            return false;
        if (!is_good)
            bad = rate;
    }
    if (load_is_interrupted())
        return true;
    if (bench->knee <= 0) {
        client_complain(bench->client,
                        "not even %.0f requests a second were kept up with: give a "
                        "lower --rate to start from",
                        bad);
        return false;
    }
    bench->plan.rate = SHARE * bench->knee;
    return bench_load(bench, &bench->plan, &bench->result);
}
