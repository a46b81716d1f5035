/* The data folder and what lies in it: lock, master key, registry; made and opened. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/daemon.h"
#include "token/hash.h"

#define FAIL(...) error_set(ret_error, ERROR_FIELD_VALUE, __VA_ARGS__)

/* Makes the folder and those above it, for the owner alone. */
static bool folder_make(const char *path, struct error *ret_error) {
    char part[1024];
    size_t len = strlen(path);
    for (size_t i = 1; i <= len; i++) {
        if (path[i] != '/' && path[i] != '\0')
            continue;
        memcpy(part, path, i);
        part[i] = '\0';
        if (mkdir(part, 0700) != 0 && errno != EEXIST)
            return FAIL("cannot make the data folder %s: %s; choose another with --data-dir", path,
                        strerror(errno));
    }
    return true;
}

static bool lock_take(struct store *store, struct error *ret_error) {
    char path[sizeof(store->path) + sizeof("/lock")];
    (void)snprintf(path, sizeof(path), "%s/lock", store->path);
    store->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (store->lock < 0)
        return FAIL("cannot use the data folder %s: %s", store->path, strerror(errno));
    if (flock(store->lock, LOCK_EX | LOCK_NB) != 0)
        return FAIL("another mintd serves the data folder %s; stop it first", store->path);
    return true;
}

/* A copy of the folder has another lock file; another machine, or this one once it was started
 * anew, has another boot id. Zeros where there is none. */
static void replica_id_make(struct store *store) {
    char boot[64];
    uint8_t hash[SHA256_BYTES];
    struct stat lock;
    int file = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t len = file >= 0 ? read(file, boot, sizeof(boot)) : -1;
    if (file >= 0)
        (void)close(file);
    if (len <= 0 || store->lock < 0 || fstat(store->lock, &lock) != 0)
        return;
    const struct text parts[] = {{boot, (size_t)len},
                                 {(const char *)&lock.st_dev, sizeof(lock.st_dev)},
                                 {(const char *)&lock.st_ino, sizeof(lock.st_ino)}};
    sha256_of(parts, array_count(parts), hash);
    memcpy(store->replica_id.bytes, hash, UUID_BYTES);
}

/* Paths and URLs are settled by then (config_settle), and their texts end with NUL. */
static bool master_key_get(const struct settings *settings, bool may_create, struct store *store,
                           struct error *ret_error) {
    const char *path = settings->master_key_file.at;
    if (settings->master_key.len > 0)
        return master_key_read_text(settings->master_key, &store->master, ret_error);
    if (may_create && access(path, F_OK) != 0 && errno == ENOENT)
        return master_key_create_file(path, &store->master, ret_error);
    if (master_key_read_file(path, &store->master, ret_error))
        return true;
    struct error why = *ret_error;
    return strstr(why.subject, path) == NULL
               ? error_set(ret_error, why.code, "%s: %.100s", path, why.subject)
               : false;
}

static bool registry_get(const struct settings *settings, bool may_create, struct store *store,
                         struct error *ret_error) {
    struct registry_options options = {.url = settings->registry,
                                       .readers = (uint32_t)settings->registry_readers,
                                       .queue_max = (uint32_t)settings->registry_queue_max,
                                       .may_create = may_create};
    return registry_open(&options, &store->registry, ret_error);
}

struct question {
    bool is_initialised;
    struct error error;
};

static void ask_initialised(void *self, struct session *session) {
    struct question *question = self;
    if (session == NULL)
        (void)error_set(&question->error, ERROR_REGISTRY_AWAY, NULL);
    else
        (void)!store_is_initialised(session, &question->is_initialised, &question->error);
}

static bool state_check(const struct settings *settings, bool may_create, struct store *store,
                        bool *ret_is_new, struct error *ret_error) {
    struct question question = {0};
    registry_run(store->registry, false, ask_initialised, &question);
    if (error_is(&question.error)) {
        *ret_error = question.error;
        return false;
    }
    *ret_is_new = !question.is_initialised;
    if (*ret_is_new && !may_create)
        return FAIL("the registry was not initialised; run 'mintd init' or 'mintd serve --init'");
    /* A new master key would not open the signing keys of an old registry. */
    return master_key_get(settings, *ret_is_new, store, ret_error);
}

bool store_open(const struct settings *settings, bool may_create, bool lock,
                struct store *ret_store, bool *ret_is_new, struct error *ret_error) {
    struct store store = {.lock = -1};
    int len = snprintf(store.path, sizeof(store.path), "%s", settings->data_dir.at);
    if (len <= 0 || (size_t)len >= sizeof(store.path))
        return FAIL("the path of the data folder is empty or too long");
    /* A registry elsewhere is served by many; the folder is only for a master key in a file. */
    bool is_embedded = text_starts(settings->registry, TEXT("sqlite:"));
    bool needs_folder = is_embedded || settings->master_key.len == 0;
    if (may_create && needs_folder && !folder_make(store.path, ret_error))
        return false;
    if (is_embedded && access(store.path, F_OK) != 0)
        return FAIL("there is no data folder %s; run 'mintd init' or 'mintd serve --init'",
                    store.path);
    bool is_open = (!lock || !is_embedded || lock_take(&store, ret_error)) &&
                   registry_get(settings, may_create, &store, ret_error) &&
                   state_check(settings, may_create, &store, ret_is_new, ret_error);
    replica_id_make(&store);
    if (is_open) {
        *ret_store = store;
        ret_store->name = is_embedded ? ret_store->path : "the registry";
    } else
        store_close(&store);
    return is_open;
}

void store_close(struct store *store) {
    registry_close(store->registry);
    master_key_close(store->master);
    if (store->lock >= 0)
        (void)close(store->lock);
}
