/* Tokens whose end is near: counted for a metric, and told by the log. */
#include "server/expiry.h"

#include "server/server.h"

static void name_keep(struct text name, char ret_name[static NAME_BYTES_MAX + 1]) {
    check(name.len <= NAME_BYTES_MAX);
    memcpy(ret_name, name.at, name.len);
    ret_name[name.len] = '\0';
}

static bool expiring_keep(void *self, const struct token *row, struct text service,
                          struct text org) {
    struct expiry *expiry = self;
    if (expiry->kept < EXPIRY_TOLD_MAX) {
        struct expiring *kept = &expiry->found[expiry->kept++];
        kept->id = row->id;
        kept->expires_s = row->expires_s;
        kept->last_used_s = row->last_used_s;
        name_keep(service, kept->service);
        name_keep(org, kept->org);
    }
    expiry->found_count++;
    return true;
}

/* On a registry thread. */
static void expiry_work(struct registry_job *job, struct session *session) {
    struct expiry *expiry = container_of(job, struct expiry, job);
    struct error error;
    expiry->kept = 0;
    expiry->found_count = 0;
    expiry->is_found = store_tokens_expiring(session, expiry->now_s, expiry->now_s + EXPIRY_AHEAD_S,
                                             expiring_keep, expiry, &error);
}

static void time_log(struct log_line *line, const char *key, int64_t time_s) {
    char memory[TIME_TEXT_BYTES];
    struct buffer out = buffer_over(memory, sizeof(memory));
    buffer_time(&out, time_s);
    log_text(line, key, buffer_text(&out));
}

static void expiring_log(struct log *log, const struct expiring *expiring) {
    struct log_line line;
    log_begin(&line, log, LOG_WARNING, "token_expires");
    log_text(&line, "org", text_of(expiring->org));
    log_text(&line, "service", text_of(expiring->service));
    log_uuid(&line, "token", &expiring->id);
    time_log(&line, "expires", expiring->expires_s);
    if (expiring->last_used_s != 0)
        time_log(&line, "last_used", expiring->last_used_s);
    log_end(&line);
}

static void expiry_done(struct registry_job *job) {
    struct expiry *expiry = container_of(job, struct expiry, job);
    expiry->is_asking = false;
    if (!expiry->is_found)
        return;
    expiry->count = expiry->found_count;
    if (expiry->told_s != 0 && expiry->now_s - expiry->told_s < EXPIRY_TELL_S)
        return;
    expiry->told_s = expiry->now_s;
    for (size_t i = 0; i < expiry->kept; i++)
        expiring_log(expiry->server->log, &expiry->found[i]);
}

static void expiry_look(struct loop_timer *timer) {
    struct expiry *expiry = container_of(timer, struct expiry, timer);
    if (expiry->is_asking)
        return;
    expiry->now_s = clock_wall_s();
    expiry->is_asking = registry_submit(expiry->server->options.registry, &expiry->job);
}

bool expiry_open(struct expiry *expiry, struct server *server, struct error *ret_error) {
    *expiry = (struct expiry){.server = server, .timer = {.fire = expiry_look}};
    expiry->job =
        (struct registry_job){.work = expiry_work, .done = expiry_done, .loop = server->loop};
    return loop_timer_start(server->loop, &expiry->timer, 1, EXPIRY_LOOK_S * 1000) ||
           error_set(ret_error, ERROR_OVERLOADED, "memory");
}
