/* mintd's subcommands and what they share. */
#ifndef DAEMON_DAEMON_H
#define DAEMON_DAEMON_H

#include "config/config.h"
#include "registry/store.h"
#include "server/server.h"

/* What a subcommand was called with. */
struct invocation {
    struct config *config;
    const struct settings *settings;
    bool init;
    bool markdown;
    const char *operator_token_file;
    const char *operator_token_ttl;
    const char *ready_file;
    const char *operands[2]; /* what is no flag, for the commands that take it */
    int operand_count;
    int operand_max;
};

/* Each returns the exit status: 0 fine, 1 failed (said on stderr). */
int command_serve(const struct invocation *invocation);
int command_init(const struct invocation *invocation);
int command_config(const struct invocation *invocation);
int command_operator_token(const struct invocation *invocation);
int command_roles(const struct invocation *invocation);
int command_openapi(const struct invocation *invocation);
int command_audit_verify(const struct invocation *invocation);
int command_registry_migrate(const struct invocation *invocation);
int command_registry_check(const struct invocation *invocation);
int command_registry_restored(const struct invocation *invocation);
int command_registry_copy(const struct invocation *invocation);

/* The data folder, its lock, the master key and the registry: open as long as the command runs. */
struct store {
    int lock;
    char path[1024];
    const char *name; /* for messages: the data folder, or "the registry" that is elsewhere */
    struct master_key *master;
    struct registry *registry;
    /* Of whoever holds the lock, so that a process takes the place of the one that died before it:
     * the others need not wait for that one's lease. */
    struct uuid replica_id;
};
/* Opens what is there; where `may_create`, makes the folder, the master key and the registry first,
 * and `ret_is_new` says whether the registry waits for store_initialise. `lock`: nobody else may
 * serve it. */
must_check bool store_open(const struct settings *settings, bool may_create, bool lock,
                           struct store *ret_store, bool *ret_is_new, struct error *ret_error);
void store_close(struct store *store);
/* Makes the first key and an operator token in a new store, and hands the token out. NAME_TAKEN if
 * another replica did so meanwhile. */
must_check bool store_found(const struct invocation *invocation, struct store *store,
                            struct error *ret_error);
/* Prints the operator token once, or writes it to the file that was asked for (0600). */
must_check bool operator_token_hand_out(const struct invocation *invocation,
                                        const struct service_token *token, struct error *ret_error);

/* Prints "mintd: <message>" to stderr; returns 1. */
int fail_with(const struct error *error);

/* systemd: sd_notify(3) messages, and sockets by sd_listen_fds(3). */
void systemd_notify(const char *state);
#define SYSTEMD_SOCKETS_MAX 16
size_t systemd_sockets(int ret_descriptors[static SYSTEMD_SOCKETS_MAX]);

#endif
