/* The commands init and operator-token: the first key, and tokens for the operator. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/units.h"
#include "daemon/daemon.h"

/* What is made for a new registry. */
struct founding {
    struct actor actor;
    struct service_token token;
    int64_t expires_s; /* 0: never */
    uint8_t hash[TOKEN_HASH_BYTES];
    struct key_record key;
    struct error error;
};

static bool token_make(struct service_token *ret_token, struct error *ret_error) {
    struct random random;
    if (!random_open(&random))
        return error_set(ret_error, ERROR_FIELD_VALUE, "the kernel has no randomness to give");
    service_token_make(&random, TOKEN_OPERATOR, ret_token);
    random_close(&random);
    return true;
}

static bool file_write(const char *path, struct text text, struct error *ret_error) {
    int descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool is_written = descriptor >= 0 && fchmod(descriptor, 0600) == 0 &&
                      write(descriptor, text.at, text.len) == (ssize_t)text.len &&
                      fsync(descriptor) == 0;
    int reason = errno;
    if (descriptor >= 0)
        (void)close(descriptor);
    return is_written ||
           error_set(ret_error, ERROR_FIELD_VALUE, "cannot write %s: %s", path, strerror(reason));
}

bool operator_token_hand_out(const struct invocation *invocation, const struct service_token *token,
                             struct error *ret_error) {
    char memory[TOKEN_TEXT_BYTES_MAX + 1];
    struct buffer out = buffer_over(memory, sizeof(memory));
    const char *path = invocation->operator_token_file;
    service_token_write(token, invocation->settings->brand, &out);
    buffer_byte(&out, '\n');
    bool is_done = true;
    if (path != NULL)
        is_done = file_write(path, buffer_text(&out), ret_error);
    else
        (void)fprintf(stdout,
                      "Operator token (shown once; it may do everything, keep it in a secrets "
                      "manager):\n%.*s",
                      (int)out.len, out.at);
    (void)fflush(stdout);
    memory_wipe(memory, sizeof(memory));
    return is_done;
}

static struct actor system_actor(const char *action) {
    return (struct actor){.kind = TEXT("system"),
                          .name = TEXT("mintd"),
                          .action = text_of(action),
                          .now_s = clock_wall_s()};
}

static void found_work(void *self, struct session *session) {
    struct founding *founding = self;
    if (session == NULL)
        (void)error_set(&founding->error, ERROR_REGISTRY_AWAY, NULL);
    else
        (void)!store_initialise(session, &founding->actor, &founding->token.id, founding->hash,
                                &founding->key, &founding->error);
}

/* The token is handed out before it is good: one that was lost on the way opens nothing. */
bool store_found(const struct invocation *invocation, struct store *store,
                 struct error *ret_error) {
    struct founding founding = {.actor = system_actor("init")};
    bool is_done =
        token_make(&founding.token, ret_error) &&
        key_create(store->master, KEY_ACTIVE, founding.actor.now_s, &founding.key, ret_error) &&
        operator_token_hand_out(invocation, &founding.token, ret_error);
    if (is_done) {
        service_token_hash(&founding.token, founding.hash);
        registry_run(store->registry, true, found_work, &founding);
        is_done = !error_is(&founding.error);
        if (!is_done)
            *ret_error = founding.error;
    }
    memory_wipe(&founding.token, sizeof(founding.token));
    /* Another replica was faster: the token that was handed out here opens nothing. */
    if (!is_done && ret_error->code == ERROR_NAME_TAKEN && invocation->operator_token_file != NULL)
        (void)unlink(invocation->operator_token_file);
    return is_done;
}

static bool fail_founded(const struct store *store, struct error *ret_error) {
    return error_set(ret_error, ERROR_FIELD_VALUE,
                     "%s was initialised before; 'mintd operator-token' makes another operator "
                     "token",
                     store->name);
}

int command_init(const struct invocation *invocation) {
    struct store store;
    struct error error;
    bool is_new;
    if (!store_open(invocation->settings, true, true, &store, &is_new, &error))
        return fail_with(&error);
    bool is_done = is_new && store_found(invocation, &store, &error);
    if (!is_new || (!is_done && error.code == ERROR_NAME_TAKEN))
        fail_founded(&store, &error);
    if (is_done)
        (void)fprintf(stderr,
                      "mintd: initialised %s; start with 'mintd serve' and the same settings\n",
                      store.name);
    store_close(&store);
    return is_done ? 0 : fail_with(&error);
}

static void operator_work(void *self, struct session *session) {
    struct founding *founding = self;
    uint64_t seq;
    if (session == NULL)
        (void)error_set(&founding->error, ERROR_REGISTRY_AWAY, NULL);
    else
        (void)!store_token_create(session, &founding->actor, (struct text){0}, (struct text){0},
                                  &(struct token){.id = founding->token.id,
                                                  .kind = TOKEN_OPERATOR,
                                                  .expires_s = founding->expires_s},
                                  founding->hash, &seq, &founding->error);
}

static bool expiry_take(const char *ttl, struct founding *founding, struct error *ret_error) {
    uint64_t ttl_s;
    if (ttl == NULL)
        return true;
    if (!unit_read(text_of(ttl), UNIT_S, UINT32_MAX, &ttl_s) || ttl_s == 0)
        return error_set(ret_error, ERROR_FIELD_VALUE,
                         "--operator-token-ttl must be a time such as 3600, 30m or 8h");
    founding->expires_s = founding->actor.now_s + (int64_t)ttl_s;
    return true;
}

/* Whoever can write to the data folder may: the way back in when the token was lost. */
int command_operator_token(const struct invocation *invocation) {
    struct store store;
    struct error error;
    bool is_new;
    struct founding founding = {.actor = system_actor("operator-token")};
    if (!expiry_take(invocation->operator_token_ttl, &founding, &error) ||
        !store_open(invocation->settings, false, false, &store, &is_new, &error))
        return fail_with(&error);
    bool is_done = token_make(&founding.token, &error);
    if (is_done) {
        service_token_hash(&founding.token, founding.hash);
        registry_run(store.registry, true, operator_work, &founding);
        error = founding.error;
        is_done = !error_is(&error) && operator_token_hand_out(invocation, &founding.token, &error);
    }
    memory_wipe(&founding.token, sizeof(founding.token));
    store_close(&store);
    return is_done ? 0 : fail_with(&error);
}
