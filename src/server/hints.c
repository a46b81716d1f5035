/* Hints over Redis: a replica tells the others of a commit, so that they poll now. */
#include "server/hints.h"

#include "server/server.h"

struct redis_options hints_redis_options(const struct settings *settings) {
    return (struct redis_options){
        .url = settings->redis,
        .tls_ca = settings->redis_tls_ca,
        .tls_cert = settings->redis_tls_cert,
        .tls_key = settings->redis_tls_key,
        .tls_name = settings->redis_tls_name,
        .command_ms = (uint32_t)settings->redis_ms,
    };
}

static void on_state(void *self, enum redis_state state, const char *why) {
    const struct hints *hints = self;
    if (state == REDIS_UP)
        log_event(hints->server->log, LOG_INFO, "redis", "Redis answers");
    else
        log_event(hints->server->log, LOG_WARNING, "redis", "Redis is not used for now: %s", why);
}

static void on_message(void *self, struct text payload) {
    struct hints *hints = self;
    if (!text_equal(payload, text_of(hints->own)))
        changes_hint(&hints->server->changes);
}

static void publish_run(struct loop_task *task) {
    struct hints *hints = container_of(task, struct hints, publish_task);
    atomic_store(&hints->is_publishing, false);
    const struct text words[] = {TEXT_INIT("PUBLISH"), text_of(hints->channel),
                                 text_of(hints->own)};
    (void)!redis_send(hints->redis, NULL, words, array_count(words)); /* or they poll later */
}

void hints_publish(struct hints *hints) {
    if (hints->redis != NULL && !atomic_exchange(&hints->is_publishing, true))
        loop_post(hints->server->loop, &hints->publish_task);
}

void hints_cut(struct hints *hints, const struct feed *feed) {
    for (size_t i = 0; hints->redis != NULL && i < feed->count; i++) {
        struct shared_key key;
        if (feed->changes[i].scope.kind != SCOPE_TOKEN)
            continue;
        shared_key_of_grant(&hints->naming, &feed->changes[i].scope.id, &key);
        const struct text words[] = {TEXT_INIT("DEL"), {key.at, key.len}};
        (void)!redis_send(hints->redis, NULL, words, array_count(words));
    }
}

bool hints_open(struct hints *hints, struct server *server, struct error *ret_error) {
    const struct settings *settings = server->settings;
    struct buffer channel = buffer_over(hints->channel, sizeof(hints->channel) - 1);
    struct buffer own = buffer_over(hints->own, sizeof(hints->own) - 1);
    struct redis_options options = hints_redis_options(settings);
    const struct redis_handler handler = {.self = hints, .state = on_state, .message = on_message};
    struct uuid id;
    hints->server = server;
    if (settings->redis.len == 0)
        return true;
    hints->naming.options.prefix = settings->redis_prefix;
    hints->publish_task.run = publish_run;
    random_uuid(&server->random, &id);
    buffer_uuid(&own, &id);
    buffer_add(&channel, settings->redis_prefix);
    buffer_put(&channel, "changes");
    options.channel = buffer_text(&channel);
    return redis_open(server->loop, &options, &handler, &hints->redis, ret_error);
}

void hints_close(struct hints *hints) {
    redis_close(hints->redis);
    hints->redis = NULL;
}
