/* mintd audit verify: follows the chain of the audit record through the registry. */
#include <stdio.h>

#include "daemon/daemon.h"

struct audit_check {
    uint64_t rows;
    uint64_t bad_id;
    struct error error;
};

static void check_work(void *self, struct session *session) {
    struct audit_check *check = self;
    (void)!store_audit_verify(session, &check->rows, &check->bad_id, &check->error);
}

/* Also while the daemon serves: it reads one snapshot. */
int command_audit_verify(const struct invocation *invocation) {
    struct audit_check check = {0};
    struct store store;
    struct error error;
    bool is_new;
    if (!store_open(invocation->settings, false, false, &store, &is_new, &error))
        return fail_with(&error);
    registry_run(store.registry, false, check_work, &check);
    store_close(&store);
    if (error_is(&check.error))
        return fail_with(&check.error);
    if (check.bad_id != 0) {
        (void)fprintf(stderr,
                      "mintd: the audit record is not whole: row %llu was changed, removed or cut "
                      "off\n",
                      (unsigned long long)check.bad_id);
        return 1;
    }
    (void)printf("the audit record is whole: %llu rows\n", (unsigned long long)check.rows);
    return 0;
}
