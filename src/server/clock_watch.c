/* Notices when the wall clock jumps: credentials are dated by it, so somebody should know. */
#include "server/clock_watch.h"

void clock_watch_look(struct clock_watch *watch, const struct clock *clock, struct log *log) {
    int64_t wall_ms = clock->wall_s * 1000 + clock->wall_us / 1000;
    int64_t offset_ms = wall_ms - (int64_t)(clock->monotonic_us / 1000);
    int64_t step_ms = offset_ms - watch->offset_ms;
    bool is_jump = watch->is_begun && (step_ms > CLOCK_JUMP_MS || step_ms < -CLOCK_JUMP_MS);
    watch->offset_ms = offset_ms;
    watch->is_begun = true;
    if (!is_jump)
        return;
    watch->jumps++;
    log_event(log, LOG_WARNING, "clock",
              "the wall clock jumped by %lld ms; credentials are dated by it, so check the "
              "time service of this host",
              (long long)step_ms);
}
