/* mintd registry migrate, check, restored and copy: the schema, the health, the past and the place
 * of the registry. */
#include <stdio.h>

#include "daemon/daemon.h"
#include "token/random.h"

static bool open_url(const struct settings *settings, struct text url, bool may_create,
                     struct registry **ret_registry, struct error *ret_error) {
    struct registry_options options = {.url = url,
                                       .readers = (uint32_t)settings->registry_readers,
                                       .may_create = may_create,
                                       .keeps_schema = !may_create};
    return registry_open(&options, ret_registry, ret_error);
}

/* Makes the tables as well where there are none, for whoever gives mintd a role that may not. */
int command_registry_migrate(const struct invocation *invocation) {
    const struct settings *settings = invocation->settings;
    struct registry *registry;
    struct error error;
    size_t before, now;
    if (!open_url(settings, settings->registry, true, &registry, &error))
        return fail_with(&error);
    registry_schema(registry, &before, &now);
    registry_close(registry);
    if (before == now)
        (void)printf("the schema has version %zu, as it should\n", now);
    else
        (void)printf("the schema went from version %zu to %zu\n", before, now);
    return 0;
}

/* What a look at a whole registry finds. */
struct inspection {
    struct store_counts counts;
    uint64_t rows;
    uint64_t bad_id;
    unsigned findings;
    struct error error;
};

static void finding_print(void *self, struct text finding) {
    struct inspection *inspection = self;
    inspection->findings++;
    (void)fprintf(stderr, "mintd: the registry has %.*s\n", (int)finding.len, finding.at);
}

static void audit_work(void *self, struct session *session) {
    struct inspection *inspection = self;
    bool ok =
        store_counts(session, &inspection->counts, &inspection->error) &&
        store_audit_verify(session, &inspection->rows, &inspection->bad_id, &inspection->error);
    if (ok && inspection->bad_id != 0)
        (void)error_set(&inspection->error, ERROR_FIELD_VALUE,
                        "the audit record is not whole: row %llu was changed, removed or cut off",
                        (unsigned long long)inspection->bad_id);
}

static void check_work(void *self, struct session *session) {
    struct inspection *inspection = self;
    if (store_check(session, finding_print, inspection, &inspection->error))
        audit_work(inspection, session);
}

static void counts_print(const struct store_counts *counts) {
    (void)printf("%llu orgs, %llu projects, %llu services, %llu tokens, %llu keys, %llu audit "
                 "records; %llu changes so far\n",
                 (unsigned long long)counts->orgs, (unsigned long long)counts->projects,
                 (unsigned long long)counts->services, (unsigned long long)counts->tokens,
                 (unsigned long long)counts->keys, (unsigned long long)counts->audit_rows,
                 (unsigned long long)counts->seq);
}

/* Also while it is served. */
int command_registry_check(const struct invocation *invocation) {
    const struct settings *settings = invocation->settings;
    struct inspection inspection = {0};
    struct registry *registry;
    size_t before, now;
    if (!open_url(settings, settings->registry, false, &registry, &inspection.error))
        return fail_with(&inspection.error);
    registry_schema(registry, &before, &now);
    registry_run(registry, false, check_work, &inspection);
    registry_close(registry);
    if (error_is(&inspection.error))
        return fail_with(&inspection.error);
    counts_print(&inspection.counts);
    if (inspection.findings > 0)
        return 1;
    (void)printf("the registry is well: schema version %zu, audit record whole\n", now);
    return 0;
}

struct restoring {
    struct feed feed;
    struct error error;
};

static void restored_work(void *self, struct session *session) {
    struct restoring *restoring = self;
    struct random random;
    uint64_t next;
    if (!random_open(&random)) {
        (void)error_set(&restoring->error, ERROR_INTERNAL, "the kernel has no randomness to give");
        return;
    }
    random_bytes(&random, &next, sizeof(next));
    random_close(&random);
    (void)!(store_feed(session, &(struct place){0}, &restoring->feed, &restoring->error) &&
            store_epoch_end(session, restoring->feed.epoch, next >> 1, &restoring->error));
}

/* Before it is served or while it is. */
int command_registry_restored(const struct invocation *invocation) {
    const struct settings *settings = invocation->settings;
    struct restoring restoring = {0};
    struct registry *registry;
    if (!open_url(settings, settings->registry, false, &registry, &restoring.error))
        return fail_with(&restoring.error);
    registry_run(registry, true, restored_work, &restoring);
    registry_close(registry);
    if (error_is(&restoring.error))
        return fail_with(&restoring.error);
    (void)printf("another epoch has begun: what replicas and Redis remember of the registry before "
                 "it was restored is void\n");
    return 0;
}

/* The session of the source and what goes on in the target's. */
struct copying {
    struct registry *from;
    struct registry *to;
    struct session *source;
    struct inspection inspection;
    uint64_t rows; /* of the source's audit record */
};

static void copy_to(void *self, struct session *target) {
    struct copying *copying = self;
    (void)!store_copy(copying->source, target, &copying->inspection.error);
}

static void copy_from(void *self, struct session *source) {
    struct copying *copying = self;
    audit_work(&copying->inspection, source);
    copying->rows = copying->inspection.rows;
    copying->source = source;
    if (!error_is(&copying->inspection.error))
        registry_run(copying->to, true, copy_to, copying);
}

static bool copy(struct copying *copying, struct error *ret_error) {
    struct inspection *inspection = &copying->inspection;
    registry_run(copying->from, false, copy_from, copying);
    if (!error_is(&inspection->error))
        registry_run(copying->to, false, check_work, inspection);
    if (!error_is(&inspection->error) &&
        (inspection->findings > 0 || inspection->rows != copying->rows))
        (void)error_set(
            &inspection->error, ERROR_FIELD_VALUE,
            "the copy is not well or not whole, as said above; serve on from the source, "
            "and make another copy");
    *ret_error = inspection->error;
    return !error_is(&inspection->error);
}

int command_registry_copy(const struct invocation *invocation) {
    const struct settings *settings = invocation->settings;
    struct copying copying = {0};
    struct error error;
    if (invocation->operand_count != 2) {
        (void)fprintf(stderr, "mintd: say 'mintd registry copy FROM-URL TO-URL'\n");
        return 2;
    }
    bool is_done =
        open_url(settings, text_of(invocation->operands[0]), false, &copying.from, &error) &&
        open_url(settings, text_of(invocation->operands[1]), true, &copying.to, &error) &&
        copy(&copying, &error);
    registry_close(copying.to);
    registry_close(copying.from);
    if (!is_done)
        return fail_with(&error);
    counts_print(&copying.inspection.counts);
    (void)printf(
        "copied, with the audit record whole; serve the copy with the same master key, and "
        "the source no more: what it changes from now on is not in the copy\n");
    return 0;
}
