/* Any bytes as what Redis says after its greeting: a command is called back once. */
#include <unistd.h>

#include "io/address.h"
#include "io/redis_parts.h"

static void on_done(struct redis_command *command, const struct redis_reply *reply) {
    *(unsigned *)command->owner += reply->count <= REDIS_LIST_MAX;
}
static void on_text(void *self, struct text text) {
    check(self == NULL && text.len <= REDIS_REPLY_BYTES_MAX);
}
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const struct redis_handler handler = {.invalidated = on_text, .message = on_text};
    unsigned done = 0;
    struct redis_command command = {.done = on_done, .owner = &done};
    char url[40];
    struct address at;
    struct loop *loop;
    struct redis *redis;
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    (void)snprintf(url, sizeof(url), "unix:/tmp/mintd-fuzz-%d", getpid());
    check(loop_open(&loop, NULL) && address_read(text_of(url), &at) &&
          redis_open(loop, &(struct redis_options){.url = text_of(url)}, &handler, &redis, NULL) &&
          bind(listener, (struct sockaddr *)&at.storage, at.len) == 0 && listen(listener, 1) == 0 &&
          redis_socket_open(redis, NULL, 0) == NULL);
    int peer = accept(listener, NULL, NULL);
    check(write(peer, data, size) <= (ssize_t)size && close(peer) == 0);
    check(unlink(url + strlen("unix:")) == 0 && close(listener) == 0);
    redis->is_connected = true;
    redis_ready(redis);
    check(redis_send(redis, &command, &TEXT("PING"), 1) && redis_send(redis, NULL, &TEXT("X"), 1));
    while (redis_state(redis) == REDIS_UP) /* to its end, at which it is dropped */
        redis_socket_read(redis);
    redis_close(redis);
    loop_close(loop);
    check(done == 1);
    return 0;
}
