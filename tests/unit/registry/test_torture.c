/* Each call to the engine failing once, in every function: its error, and nothing changed. */
#include "fixture.h"

/* The real engine, whose n-th call from now fails. */
static uint32_t calls_until;
static struct error planted = {.code = ERROR_REGISTRY_AWAY};

static bool fails(struct error *ret_error) {
    if (calls_until == 0 || --calls_until > 0)
        return false;
    *ret_error = planted;
    return true;
}

static bool failing_look(struct connection *connection, const struct query *query,
                         struct error *ret_error) {
    return !fails(ret_error) && engine_tested()->look(connection, query, ret_error);
}

static bool failing_begin(struct connection *connection, enum transaction kind,
                          struct error *ret_error) {
    return !fails(ret_error) && engine_tested()->begin(connection, kind, ret_error);
}

static bool failing_commit(struct connection *connection, struct error *ret_error) {
    return !fails(ret_error) && engine_tested()->commit(connection, ret_error);
}

static bool failing_query(struct connection *connection, const struct query *query,
                          struct error *ret_error) {
    return !fails(ret_error) && engine_tested()->query(connection, query, ret_error);
}

static bool failing_script(struct connection *connection, const char *sql,
                           struct error *ret_error) {
    return !fails(ret_error) && engine_tested()->script(connection, sql, ret_error);
}

static struct engine failing;

/* The functions, called on a store with org acme (1), project web (2), service gateway (3) that has
 * a role in it, and its token (4). */
typedef bool operation(struct session *session, struct error *error);
static uint64_t seq;
static const struct text keep;
static const uint8_t hash[TOKEN_HASH_BYTES] = {1};

static bool org_create(struct session *session, struct error *error) {
    struct org made, org = {.id = id_of(10), .name = TEXT("other")};
    return store_org_create(session, &tester, &org, &made, &seq, error);
}

static bool org_edit(struct session *session, struct error *error) {
    struct org org;
    return store_org_edit(session, &tester, TEXT("acme"), TEXT("renamed"), keep, &org, &seq, error);
}

static bool org_delete(struct session *session, struct error *error) {
    uint64_t at;
    return store_project_delete(session, &tester, TEXT("acme"), TEXT("web"), &at, error) &&
           store_service_delete(session, &tester, TEXT("acme"), TEXT("gateway"), &at, error) &&
           store_org_delete(session, &tester, TEXT("acme"), &seq, error);
}

static bool project_create(struct session *session, struct error *error) {
    struct project made, project = {.id = id_of(10), .name = TEXT("app")};
    return store_project_create(session, &tester, TEXT("acme"), &project, &made, &seq, error);
}

static bool project_edit(struct session *session, struct error *error) {
    struct project made, project = {.name = TEXT("app")};
    return store_project_edit(session, &tester, TEXT("acme"), TEXT("web"), PROJECT_NAME, &project,
                              &made, &seq, error);
}

static bool service_create(struct session *session, struct error *error) {
    struct service made, service = {
                             .id = id_of(10),
                             .name = TEXT("batch"),
                             .attributes = TEXT("{}"),
                             .policy = TEXT("{}"),
                             .org_role = TEXT("viewer"),
                         };
    return store_service_create(session, &tester, TEXT("acme"), &service, TEXT("web"),
                                TEXT("issuer"), &made, &seq, error);
}

static bool service_edit(struct session *session, struct error *error) {
    struct service made;
    return store_service_edit(session, &tester, TEXT("acme"), TEXT("gateway"), TEXT("front"), keep,
                              keep, &made, &seq, error);
}

static bool org_role_set(struct session *session, struct error *error) {
    return store_service_set_org_role(session, &tester, TEXT("acme"), TEXT("gateway"),
                                      TEXT("admin"), &seq, error);
}

static bool org_role_remove(struct session *session, struct error *error) {
    return store_service_set_org_role(session, &tester, TEXT("acme"), TEXT("gateway"), TEXT(""),
                                      &seq, error);
}

static bool project_role_set(struct session *session, struct error *error) {
    return store_service_set_project_role(session, &tester, TEXT("acme"), TEXT("gateway"),
                                          TEXT("web"), TEXT("admin"), &seq, error);
}

static bool project_role_remove(struct session *session, struct error *error) {
    return store_service_set_project_role(session, &tester, TEXT("acme"), TEXT("gateway"),
                                          TEXT("web"), TEXT(""), &seq, error);
}

static bool token_create(struct session *session, struct error *error) {
    struct token token = {.id = id_of(10), .kind = TOKEN_SERVICE};
    return store_token_create(session, &tester, TEXT("acme"), TEXT("gateway"), &token, hash, &seq,
                              error);
}

static bool token_revoke(struct session *session, struct error *error) {
    struct uuid id = id_of(4);
    return store_token_revoke(session, &tester, &id, &seq, error);
}

static bool token_expire(struct session *session, struct error *error) {
    struct uuid id = id_of(4);
    return store_token_expire(session, &tester, &id, 9, &seq, error);
}

static bool token_rotate(struct session *session, struct error *error) {
    struct token token = {.id = id_of(10), .kind = TOKEN_SERVICE};
    return store_token_rotate(session, &tester, TEXT("acme"), TEXT("gateway"), &token, hash, 9,
                              &seq, error);
}

static bool tokens_used(struct session *session, struct error *error) {
    struct token_use uses[] = {{.id = id_of(4), .at_s = 1}, {.id = id_of(5), .at_s = 1}};
    return store_tokens_used(session, uses, array_count(uses), error);
}

static bool key_put(struct session *session, struct error *error) {
    struct key_record key = {.kid = "new", .state = KEY_PENDING};
    return store_key_put(session, &tester, &key, &seq, error);
}

static bool key_delete(struct session *session, struct error *error) {
    return store_key_delete(session, &tester, TEXT("old"), &seq, error);
}

static const struct key_times soon = {.publish_s = 10, .keep_s = 10, .rotate_s = 20};
static const struct key_record spare = {.kid = "spare", .state = KEY_PENDING};

/* Whatever is due for the keys that `fill` made. */
static bool key_advance(struct session *session, struct error *error) {
    struct key_change change;
    return store_key_advance(session, &tester, &soon, &spare, &change, &seq, error);
}

static bool key_rotate(struct session *session, struct error *error) {
    struct key_change change;
    return store_key_rotate(session, &tester, &soon, &spare, true, &change, &seq, error);
}

static bool initialise(struct session *session, struct error *error) {
    struct uuid id = id_of(10);
    struct key_record key = {.kid = "first", .state = KEY_ACTIVE};
    return store_initialise(session, &tester, &id, hash, &key, error);
}

static bool audit_note(struct session *session, struct error *error) {
    return store_audit_note(session, &tester, NULL, TEXT("refused"), error);
}

static bool migrate(struct session *session, struct error *error) {
    return schema_migrate(session, true, error);
}

static operation *const mutations[] = {
    org_create,   org_edit,     project_create,  project_edit,     service_create,
    service_edit, org_role_set, org_role_remove, project_role_set, project_role_remove,
    token_create, token_revoke, token_expire,    token_rotate,     tokens_used,
    key_put,      key_delete,   key_advance,     key_rotate,       initialise,
    audit_note,   migrate,
};

static bool key_list(struct session *session, struct error *error) {
    struct key_set set;
    return store_key_list(session, &set, error);
}

static bool is_initialised(struct session *session, struct error *error) {
    bool is;
    return store_is_initialised(session, &is, error);
}

static bool ignore_org(void *self, const struct org *row) {
    (void)self, (void)row;
    return true;
}

static bool org_list(struct session *session, struct error *error) {
    return store_org_list(session, keep, 10, ignore_org, NULL, error);
}

static bool ignore_project(void *self, const struct project *row) {
    (void)self, (void)row;
    return true;
}

static bool project_list(struct session *session, struct error *error) {
    return store_project_list(session, TEXT("acme"), keep, 10, ignore_project, NULL, error);
}

static bool ignore_service(void *self, const struct service *row) {
    (void)self, (void)row;
    return true;
}

static bool service_list(struct session *session, struct error *error) {
    return store_service_list(session, TEXT("acme"), keep, 10, ignore_service, NULL, error);
}

static bool ignore_membership(void *self, const struct membership *row) {
    (void)self, (void)row;
    return true;
}

static bool membership_list(struct session *session, struct error *error) {
    return store_membership_list(session, TEXT("acme"), TEXT("gateway"), ignore_membership, NULL,
                                 error);
}

static bool membership_list_all(struct session *session, struct error *error) {
    return store_membership_list(session, TEXT("acme"), keep, ignore_membership, NULL, error);
}

static bool project_services(struct session *session, struct error *error) {
    return store_project_services(session, TEXT("acme"), TEXT("web"), ignore_membership, NULL,
                                  error);
}

static bool ignore_token(void *self, const struct token *row) {
    (void)self, (void)row;
    return true;
}

static bool token_list(struct session *session, struct error *error) {
    return store_token_list(session, TEXT("acme"), TEXT("gateway"), ignore_token, NULL, error);
}

static bool ignore_expiring(void *self, const struct token *row, struct text service,
                            struct text org) {
    (void)self, (void)row, (void)service, (void)org;
    return true;
}

static bool tokens_expiring(struct session *session, struct error *error) {
    return store_tokens_expiring(session, 0, 9, ignore_expiring, NULL, error);
}

static bool token_owner(struct session *session, struct error *error) {
    struct uuid id = id_of(4), org_id;
    struct token token;
    return store_token_owner(session, &id, &token, &org_id, error);
}

static bool grant(struct session *session, struct error *error) {
    struct uuid id = id_of(4);
    struct grant *found;
    if (!store_grant(session, &id, &found, error))
        return false;
    free(found);
    return true;
}

static bool project_record(struct session *session, struct error *error) {
    struct uuid id = id_of(1);
    struct project_record *found;
    if (!store_project_record(session, &id, TEXT("web"), &found, error))
        return false;
    free(found);
    return true;
}

static bool org_id(struct session *session, struct error *error) {
    struct uuid id;
    return store_org_id(session, TEXT("acme"), &id, error);
}

static bool project_get(struct session *session, struct error *error) {
    struct project project;
    return store_project_get(session, TEXT("acme"), TEXT("web"), &project, error);
}

static bool service_get(struct session *session, struct error *error) {
    struct service service;
    return store_service_get(session, TEXT("acme"), TEXT("gateway"), &service, error);
}

static bool feed(struct session *session, struct error *error) {
    static struct feed found;
    struct place from = {session->fed.place.epoch, 1, 0};
    if (!store_feed(session, &from, &found, error))
        return false;
    from.epoch = found.epoch;
    return store_feed(session, &from, &found, error);
}

static bool ignore_audit(void *self, const struct audit_row *row) {
    (void)self, (void)row;
    return true;
}

static bool audit_list(struct session *session, struct error *error) {
    return store_audit_list(session, NULL, 0, 10, ignore_audit, NULL, error);
}

static bool audit_verify(struct session *session, struct error *error) {
    uint64_t rows, bad;
    return store_audit_verify(session, &rows, &bad, error);
}

static operation *const reads[] = {
    key_list,         is_initialised, org_list,        project_list,
    service_list,     token_list,     membership_list, membership_list_all,
    project_services, token_owner,    grant,           project_record,
    org_id,           project_get,    service_get,     feed,
    audit_list,       audit_verify,   tokens_expiring,
};

/* What is in the store, as one text. */
static void content(const struct store *store, char text[4096]) {
    static const char sql[] =
        "SELECT (SELECT seq FROM rev_counter) || '/' || (SELECT count(*) FROM changes) || '/' ||"
        " (SELECT count(*) FROM audit) || '/' || (SELECT hex(bytes) FROM meta WHERE name = 'audit')"
        " || (SELECT group_concat(name) FROM orgs) || (SELECT group_concat(name) FROM services)"
        " || (SELECT group_concat(name) FROM projects) || (SELECT group_concat(kid) FROM keys)"
        " || (SELECT group_concat(role) FROM service_org_roles)"
        " || coalesce((SELECT group_concat(role) FROM service_project_roles), '')"
        " || (SELECT group_concat(hex(id) || revoked || expires || last_used) FROM tokens)"
        " || (SELECT count(*) FROM meta)";
    snprintf(text, 4096, "%s", file_text(&store->folder, sql));
}

static void fill(struct store *store) {
    struct error error;
    struct key_record key = {.kid = "old", .state = KEY_RETIRED};
    make_org(store, "acme", 1);
    make_project(store, "web", 2);
    make_service(store, "gateway", 3, "viewer");
    make_token(store, "gateway", 4);
    make_token(store, "gateway", 5);
    assert_ok(store_service_set_project_role(&store->writer, &tester, TEXT("acme"), TEXT("gateway"),
                                             TEXT("web"), TEXT("issuer"), &seq, &error));
    assert_ok(store_key_put(&store->writer, &tester, &key, &seq, &error));
    store->writer.engine = &failing;
    store->reader.engine = &failing;
}

/* Fails the first call, the second, and so on, until the operation makes no more. */
static void torture(struct store *store, struct session *session, operation *run) {
    char before[4096], after[4096];
    struct error error;
    uint64_t untouched = 0xABCD;
    content(store, before);
    for (uint32_t n = 1;; n++) {
        seq = untouched;
        calls_until = n;
        bool ok = run(session, &error);
        bool was_met = calls_until == 0;
        calls_until = 0;
        if (!was_met) {
            assert_true(ok);
            assert_true(n > 1);
            return;
        }
        assert_false(ok);
        assert_int_equal(error.code, planted.code);
        assert_true(seq == untouched);
        assert_false(atomic_load(&store->shared.is_up));
        content(store, after);
        assert_string_equal(before, after);
    }
}

static void test_mutations(void **state) {
    (void)state;
    for (size_t i = 0; i < array_count(mutations); i++) {
        struct store store;
        store_make(&store);
        fill(&store);
        torture(&store, &store.writer, mutations[i]);
        store_remove(&store);
    }
}

/* Not one transaction but three, of which only the last is told by its seq. */
static void test_deletes(void **state) {
    (void)state;
    for (uint32_t n = 1; n < 100; n++) {
        struct store store;
        struct error error;
        uint64_t rows, bad;
        store_make(&store);
        fill(&store);
        calls_until = n;
        bool ok = org_delete(&store.writer, &error);
        calls_until = 0;
        assert_ok(store_audit_verify(&store.writer, &rows, &bad, &error));
        assert_int_equal(bad, 0);
        assert_int_equal(rows, file_number(&store.folder, "SELECT seq FROM rev_counter"));
        assert_int_equal(rows, ok ? 10 : rows);
        store_remove(&store);
        if (ok)
            return;
    }
    fail();
}

static void test_reads(void **state) {
    struct store *store = *state;
    fill(store);
    for (size_t i = 0; i < array_count(reads); i++)
        torture(store, &store->reader, reads[i]);
}

/* A migration from nothing, each of whose calls fails. */
static void test_first_migration(void **state) {
    (void)state;
    for (uint32_t n = 1; n < 100; n++) {
        struct folder folder;
        struct error error;
        struct session_shared shared = {.is_writable = true};
        struct session session;
        folder_make(&folder);
        struct engine_options options = {folder.file, .is_writer = true, .may_create = true};
        assert_ok(session_open(&session, &failing, &options, &shared, &error));
        calls_until = n;
        bool ok = schema_migrate(&session, true, &error);
        calls_until = 0;
        assert_ok(schema_migrate(&session, true, &error));
        assert_int_equal(file_number(&folder, "SELECT count(*) FROM rev_counter"), 1);
        session_close(&session);
        folder_remove(&folder);
        if (ok)
            return;
    }
    fail();
}

static int make_engine(void **state) {
    (void)state;
    failing = *engine_tested();
    failing.look = failing_look;
    failing.begin = failing_begin;
    failing.commit = failing_commit;
    failing.query = failing_query;
    failing.script = failing_script;
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mutations),
        cmocka_unit_test(test_deletes),
        cmocka_unit_test_setup_teardown(test_reads, store_setup, store_teardown),
        cmocka_unit_test(test_first_migration),
    };
    return cmocka_run_group_tests(tests, make_engine, NULL);
}
