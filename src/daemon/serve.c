/* The command serve: opens the store and its keys, serves, and closes in order. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/log.h"
#include "daemon/daemon.h"

/* A key that does not open was sealed by another master key: names the one that was tried. */
static bool keys_fail(const struct settings *settings, struct error *error) {
    struct error why = *error;
    if (why.code != ERROR_SIGNING_KEY)
        return false;
    return error_set(error, ERROR_SIGNING_KEY, "%.120s; the master key is from %.90s", why.subject,
                     settings->master_key.len > 0 ? "the setting master-key"
                                                  : settings->master_key_file.at);
}

/* Descriptors for all connections and some more; said when the system allows fewer. */
static void descriptors_raise(const struct settings *settings) {
    struct rlimit limit;
    rlim_t wanted = settings->connections_max + 256;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted)
        return;
    limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur < settings->connections_max)
        (void)fprintf(stderr,
                      "mintd: only %llu descriptors are allowed for %llu connections; raise "
                      "LimitNOFILE or lower --connections\n",
                      (unsigned long long)limit.rlim_cur,
                      (unsigned long long)settings->connections_max);
}

static bool log_open_as_set(const struct settings *settings, struct error *ret_error) {
    static const char *const levels[] = {"debug", "info", "warning", "error"};
    enum log_format format = isatty(STDERR_FILENO) ? LOG_TEXT : LOG_JSON;
    if (!text_equal(settings->log_format, TEXT("auto")))
        format = text_equal(settings->log_format, TEXT("text")) ? LOG_TEXT : LOG_JSON;
    for (size_t i = 0; i < array_count(levels); i++)
        if (text_equal(settings->log_level, text_of(levels[i])))
            return log_start(STDERR_FILENO, format, (enum log_level)i) ||
                   error_set(ret_error, ERROR_OVERLOADED, "threads");
    return error_set(ret_error, ERROR_FIELD_VALUE,
                     "log-level must be debug, info, warning or error");
}

/* Told to whoever started us: systemd, and a script that waits for a file. */
static void ready(void *self, const char *address, const char *ops_address) {
    const struct invocation *invocation = self;
    char temporary[1100];
    systemd_notify("READY=1");
    if (invocation->ready_file == NULL)
        return;
    int len = snprintf(temporary, sizeof(temporary), "%s.new", invocation->ready_file);
    FILE *file = len > 0 && (size_t)len < sizeof(temporary) ? fopen(temporary, "we") : NULL;
    if (file == NULL)
        return;
    (void)fprintf(file, "{\"pid\":%d,\"listen\":\"%s\",\"ops\":\"%s\"}\n", (int)getpid(), address,
                  ops_address);
    (void)fclose(file);
    (void)rename(temporary, invocation->ready_file);
}

static void stopping(void *self) {
    (void)self;
    systemd_notify("STOPPING=1");
}

static bool serve(const struct invocation *invocation, struct store *store,
                  struct error *ret_error) {
    struct server *server;
    int descriptors[SYSTEMD_SOCKETS_MAX];
    struct server_options options = {
        .config = invocation->config,
        .registry = store->registry,
        .master = store->master,
        .replica_id = store->replica_id,
        .descriptors = descriptors,
        .descriptor_count = systemd_sockets(descriptors),
        .on_ready = ready,
        .on_stopping = stopping,
        .self = (void *)(uintptr_t)invocation,
    };
    bool is_open = server_open(&options, &server, ret_error);
    if (is_open) {
        server_run(server);
        registry_close(store->registry);
        store->registry = NULL;
        server_close(server);
    }
    return is_open || keys_fail(invocation->settings, ret_error);
}

/* Makes what a new registry needs, unless another replica was faster. */
static bool found(const struct invocation *invocation, struct store *store,
                  struct error *ret_error) {
    if (store_found(invocation, store, ret_error))
        return true;
    if (ret_error->code != ERROR_NAME_TAKEN)
        return false;
    (void)fprintf(stderr, "mintd: another replica initialised the registry first: its operator "
                          "token is the good one\n");
    return true;
}

int command_serve(const struct invocation *invocation) {
    const struct settings *settings = invocation->settings;
    struct store store;
    struct error error;
    bool is_new;
    descriptors_raise(settings);
    if (!store_open(settings, invocation->init, true, &store, &is_new, &error))
        return fail_with(&error);
    bool is_done =
        (!is_new || found(invocation, &store, &error)) && log_open_as_set(settings, &error);
    if (is_done) {
        is_done = serve(invocation, &store, &error);
        log_stop();
    }
    store_close(&store);
    return is_done ? 0 : fail_with(&error);
}
