/* Rates one after the other, until it is known which the target keeps up with. */
#include <unistd.h>

#include "client/bench/bench.h"

#define RATE_DEFAULT 1000.0
#define SHARE 0.7

static void step_show(const struct bench *bench, const struct knee_step *step) {
    char memory[200];
    struct buffer out = buffer_over(memory, sizeof(memory));
    if (bench->client->is_quiet)
        return;
    buffer_format(&out, "%9.0f/s offered  %9.0f/s good  p99 ", step->rate, step->goodput);
    report_time(&out, (double)step->p99_ns);
    buffer_put(&out, step->is_good ? "\n" : "  not kept up with\n");
    (void)!write(STDERR_FILENO, out.at, out.len);
}

/* Loads at the next rate. An interrupted step is no step. */
static bool step_run(struct bench *bench, const struct plan *plan) {
    const struct load_result *result = &bench->result;
    struct knee *knee = &bench->knee;
    bench->plan.rate = knee->rate;
    if (!bench_load(bench, plan, &bench->result))
        return false;
    if (load_is_interrupted())
        return true;
    struct knee_step step = {
        .rate = knee->rate,
        .goodput = load_goodput(result),
        .p50_ns = latencies_at(&result->tally.latencies, 0.5),
        .p99_ns = latencies_at(&result->tally.latencies, 0.99),
        .max_ns = counter_get(&result->tally.latencies.max_ns),
    };
    knee_tell(knee, &step);
    step_show(bench, &step);
    return true;
}

bool bench_find_knee(struct bench *bench, uint64_t step_s) {
    struct plan plan = bench->plan;
    struct knee *knee = &bench->knee;
    plan.duration_ns = step_s * 1000000000;
    plan.samples_max = 0;
    *knee = knee_from(plan.rate > 0 ? plan.rate : RATE_DEFAULT);
    while (knee->rate > 0 && !load_is_interrupted()) {
        plan.rate = knee->rate;
        if (!step_run(bench, &plan))
            return false;
    }
    if (load_is_interrupted())
        return true;
    if (knee->good <= 0) {
        client_complain(bench->client,
                        "not even %.0f requests a second were kept up with: give a lower --rate to "
                        "start from",
                        knee->bad);
        return false;
    }
    bench->plan.rate = SHARE * knee->good;
    return bench_load(bench, &bench->plan, &bench->result);
}
