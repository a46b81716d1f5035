/* Credentials: for whom they are, how long they live, how large they may be. */
#include "minted.h"
#include "token/hash.h"

static struct call *issue(struct rig *rig, const char *body) {
    return rig_get(rig, (struct ask){.route = ISSUE, .body = text_of(body)});
}

/* ---- for whom -------------------------------------------------------------------------------- */

static void test_subjects(void **state) {
    struct rig *rig = *state;
    static const struct {
        const char *body, *tail;
    } rows[] = {
        {"{\"user_id\":\"u-1\"}", ",\"sub\":\"u-1\",\"attr\":{\"id\":\"u-1\"}}"},
        {"{\"user_email\":\"a@b@example.com\"}",
         ",\"attr\":{\"email\":\"a@b@example.com\",\"domain\":\"example.com\",\"admin\":false}}"},
        {"{\"attributes\":{}}", ",\"attr\":{}}"},
        {"{\"attributes\": {\"b\":1.50, \"a\":[null,true,\"\\u00e4\\n\\/\"], \"sub\":\"x\"}}",
         ",\"attr\":{\"b\":1.50,\"a\":[null,true,\"\xC3\xA4\\n/\"],\"sub\":\"x\"}}"},
        {"{\"attributes\":{\"exp\":1,\"iss\":\"evil\",\"act\":{}}}",
         ",\"attr\":{\"exp\":1,\"iss\":\"evil\",\"act\":{}}}"},
    };
    for (size_t i = 0; i < array_count(rows); i++) {
        struct minted minted;
        minted_read(issue(rig, rows[i].body), &minted);
        assert_int_equal(minted.tail.len, strlen(rows[i].tail));
        assert_memory_equal(minted.tail.at, rows[i].tail, minted.tail.len);
    }
}

static void test_external_user(void **state) {
    struct rig *rig = *state;
    struct minted minted;
    char id[UUID_TEXT_BYTES], wanted[128];
    uint8_t hash[SHA256_BYTES];
    struct buffer project = buffer_over(id, sizeof(id));
    struct buffer out = buffer_over(wanted, sizeof(wanted) - 1);
    buffer_uuid(&project, &rig->realm->world.projects[SHOP].project.id);
    sha256_of((struct text[]){TEXT("their-7"), buffer_text(&project)}, 2, hash);
    buffer_put(&out, ",\"sub\":\"ext_");
    buffer_hex(&out, hash, sizeof(hash));
    buffer_put(&out, "\",\"attr\":{");
    wanted[out.len] = '\0';
    minted_read(issue(rig, "{\"external_user_id\":\"their-7\"}"), &minted);
    assert_memory_equal(minted.tail.at, wanted, out.len);
    assert_has_not(minted.claims, "their-7");
    minted_read(issue(rig, "{\"externalUserId\":\"their-7\",\"attributes\":{\"a\":1}}"), &minted);
    assert_memory_equal(minted.tail.at, wanted, out.len);
    assert_has(minted.tail, "\"attr\":{\"a\":1}}");
}

/* Nobody is named: the credential is the service's own. */
static void test_service_itself(void **state) {
    struct rig *rig = *state;
    struct minted minted;
    rig->realm->world.services[GATEWAY].attributes = "{\"region\":\"eu\",\"n\":1e2}";
    minted_read(issue(rig, ""), &minted);
    assert_has(minted.tail, ",\"sub\":\"svc_");
    assert_has(minted.tail,
               "\"attr\":{\"name\":\"GATEWAY\",\"admin\":false,\"region\":\"eu\",\"n\":1e2}}");
    minted_read(rig_get(rig, (struct ask){.route = ISSUE, .as = SHOP_ADMIN}), &minted);
    assert_has(minted.tail, "\"attr\":{\"name\":\"SHOP_ADMIN\",\"admin\":true}}");
    minted_read(rig_get(rig, (struct ask){.route = ISSUE, .as = OWNER}), &minted);
    assert_has(minted.tail, "\"attr\":{\"name\":\"OWNER\",\"admin\":true}}");
    minted_read(rig_get(rig, (struct ask){.route = ISSUE, .as = MINTER}), &minted);
    assert_has(minted.tail, "\"attr\":{\"name\":\"MINTER\",\"admin\":false}}");
}

/* What the store holds is read before it is signed: what is no JSON is not minted. */
static void test_service_attributes_broken(void **state) {
    struct rig *rig = *state;
    rig->realm->world.services[GATEWAY].attributes = "{\"a\":";
    assert_reply(issue(rig, ""), 500, INTERNAL);
    assert_reply(issue(rig, "{\"user_id\":\"u\"}"), 200, NONE);
}

/* The answer beside the token, for whoever embeds. */
static void test_answer(void **state) {
    struct rig *rig = *state;
    struct minted minted;
    const struct project *project = &rig->realm->world.projects[SHOP].project;
    struct call *call = issue(rig, "{\"ttl_seconds\":101}");
    minted_read(call, &minted);
    char id[UUID_TEXT_BYTES];
    struct buffer instance = buffer_over(id, sizeof(id));
    buffer_uuid(&instance, &project->instance_id);
    assert_true(text_equal(json_text(json_member(minted.answer, TEXT("instanceId"))),
                           buffer_text(&instance)));
    assert_has(call->body, "{\"runtimeHost\":\"https://runtime.example\",\"instanceId\":\"");
    assert_has(call->body, ",\"ttlSeconds\":101,\"refreshAfterSeconds\":80}");
    assert_int_equal(json_count(minted.answer), 5);
    assert_null(call->cache_control); /* the default: no-store */
}

/* A project can have another audience, and the newer name of the algorithm. */
static void test_project_settings(void **state) {
    struct rig *rig = *state;
    struct project *project = &rig->realm->world.projects[DEPOT].project;
    project->audience = TEXT("https://aud.example/\"q\"");
    project->jwt_alg_rfc9864 = true;
    struct call *call = rig_get(rig, (struct ask){.route = ISSUE, .as = OWNER, .project = "depot"});
    assert_reply(call, 200, NONE);
    struct error error;
    static char memory[65536];
    struct arena arena = arena_over(memory, sizeof(memory));
    struct jwt jwt;
    struct text token = json_text(json_member(call_json(call), TEXT("accessToken")));
    assert_true(jwt_read(token, &arena, &jwt, &error));
    assert_true(jwt_signature_is_good(&jwt, keyring_public_key(rig->realm->keyring, jwt.kid)));
    assert_true(text_equal(json_text(json_member(jwt.header, TEXT("alg"))), TEXT("Ed25519")));
    struct json_iter audience = json_iter(json_member(jwt.claims, TEXT("aud")));
    assert_true(json_next(&audience));
    assert_true(text_equal(json_text(audience.value), project->audience));
    assert_false(json_next(&audience));
}

/* ---- how long -------------------------------------------------------------------------------- */

static struct call *issue_for(struct rig *rig, uint32_t ttl_s) {
    char body[64];
    (void)snprintf(body, sizeof(body), "{\"ttl_seconds\":%u}", ttl_s);
    return issue(rig, body);
}

static void assert_lives(struct rig *rig, uint32_t asked_s, uint32_t given_s) {
    struct minted minted;
    minted_read(issue_for(rig, asked_s), &minted);
    assert_int_equal(minted.ttl_s, given_s);
}

/* Whatever smallest maximum there is: below it, at it, above it. */
static void assert_ttl_limit(struct rig *rig, uint32_t limit_s, const char *whose) {
    assert_lives(rig, limit_s - 1, limit_s - 1);
    assert_lives(rig, limit_s, limit_s);
    struct call *call = issue_for(rig, limit_s + 1);
    assert_reply(call, 400, TTL_LARGE);
    assert_has(call->body, whose);
    assert_reply(issue_for(rig, UINT32_MAX), 400, TTL_LARGE);
}

static void settings_read_anew(struct rig *rig) {
    cache_clear(&rig->cache);
}

static void test_ttl(void **state) {
    struct rig *rig = *state;
    struct project *project = &rig->realm->world.projects[SHOP].project;
    assert_lives(rig, 0, 3600);
    assert_lives(rig, 1, 1);
    assert_ttl_limit(rig, 86400, "than the largest that the server (86400) allows");
    project->max_ttl_s = 7200;
    project->default_ttl_s = 900;
    settings_read_anew(rig);
    assert_lives(rig, 0, 900);
    assert_ttl_limit(rig, 7200, "the project (7200)");
    rig->realm->world.services[GATEWAY].policy = "{\"maxTtlSeconds\":600}";
    settings_read_anew(rig);
    assert_lives(rig, 0, 600); /* the default is cut to what is allowed */
    assert_ttl_limit(rig, 600, "the service's policy (600)");
    /* A maximum above the others' is none. */
    project->max_ttl_s = 100000;
    rig->realm->world.services[GATEWAY].policy = "{\"maxTtlSeconds\":100000}";
    settings_read_anew(rig);
    assert_ttl_limit(rig, 86400, "the server (86400)");
}

/* The calendar jumps: a credential lives as long as it says, from when it says. */
static void test_calendar(void **state) {
    struct rig *rig = *state;
    static const int64_t times_s[] = {1700003600, 1699996400, 10,
                                      2147483647, 2147483648, 4294967290 - 4000};
    for (size_t i = 0; i < array_count(times_s); i++) {
        rig->realm->clock.wall_s = times_s[i];
        assert_lives(rig, 0, 3600);
    }
    assert_int_equal(rig->realm->world.grants_asked, 1);
}

static void test_branch(void **state) {
    struct rig *rig = *state;
    assert_reply(issue(rig, "{\"branch\":\"main\"}"), 200, NONE);
    assert_reply(issue(rig, "{\"branch\":\"\"}"), 200, NONE);
    struct call *call = issue(rig, "{\"branch\":\"Main\"}");
    assert_reply(call, 400, BRANCH);
    assert_has(call->body, "does not have a deployment for the branch Main");
}

/* ---- how large ------------------------------------------------------------------------------- */

/* {"attributes":{"a":"xx…"}} with so many bytes of compact attributes. */
static struct call *issue_bytes(struct rig *rig, size_t bytes, const char *space) {
    static char memory[70000];
    struct buffer out = buffer_over(memory, sizeof(memory));
    buffer_put(&out, "{\"attributes\":{\"a\":");
    buffer_put(&out, space);
    buffer_byte(&out, '"');
    for (size_t i = strlen("{\"a\":\"\"}"); i < bytes; i++)
        buffer_byte(&out, 'x');
    buffer_put(&out, "\"}}");
    return rig_get(rig, (struct ask){.route = ISSUE, .body = buffer_text(&out)});
}

static void test_attributes_size(void **state) {
    struct rig *rig = *state;
    rig->mint.settings.max_token_bytes = 65536;
    for (size_t way = 0; way < 2; way++) {
        const char *space = way == 0 ? "" : "      \t \n    ";
        assert_reply(issue_bytes(rig, 16383, space), 200, NONE);
        assert_reply(issue_bytes(rig, 16384, space), 200, NONE);
        struct call *call = issue_bytes(rig, 16385, space);
        assert_reply(call, 400, ATTRIBUTES_LARGE);
        assert_has(call->body, "larger than 16384 bytes");
    }
}

static void test_token_size(void **state) {
    struct rig *rig = *state;
    struct minted minted;
    minted_read(issue_bytes(rig, 100, ""), &minted);
    uint32_t chars = (uint32_t)minted.text.len;
    for (unsigned way = 0; way < 2; way++) {
        uint32_t *limit = way == 0 ? &rig->mint.settings.max_token_bytes
                                   : &rig->realm->world.projects[SHOP].project.max_token_bytes;
        *limit = chars + 1;
        settings_read_anew(rig);
        assert_reply(issue_bytes(rig, 100, ""), 200, NONE);
        *limit = chars;
        settings_read_anew(rig);
        assert_reply(issue_bytes(rig, 100, ""), 200, NONE);
        *limit = chars - 1;
        settings_read_anew(rig);
        struct call *call = issue_bytes(rig, 100, "");
        assert_reply(call, 400, JWT_LARGE);
        assert_has(call->body, ", attr 100");
        assert_reply(issue(rig, "{\"user_id\":\"u\"}"), 200, NONE);
        *limit = 4096;
    }
}

/* More than the engine puts together at all. */
static void test_claims_beyond_the_scratch(void **state) {
    struct rig *rig = *state;
    static char attributes[MINT_SCRATCH_BYTES + 16];
    memset(attributes, 'x', sizeof(attributes) - 1);
    memcpy(attributes, "{\"a\":\"", 6);
    memcpy(attributes + sizeof(attributes) - 3, "\"}", 2);
    rig->realm->world.services[GATEWAY].attributes = attributes;
    rig->mint.settings.max_token_bytes = UINT32_MAX;
    struct call *call = issue(rig, "");
    assert_reply(call, 400, JWT_LARGE);
    assert_has(call->body, "more than 262144 bytes");
}

/* A credential of a page's size, and one that needs all that a body may hold. */
static void test_large(void **state) {
    struct rig *rig = *state;
    struct minted minted;
    rig->mint.settings.max_token_bytes = 131072;
    rig->mint.settings.attributes_bytes_max = 60000;
    for (size_t bytes = 500; bytes <= 60000; bytes += bytes / 3) {
        minted_read(issue_bytes(rig, bytes, ""), &minted);
        assert_true(minted.tail.len >= bytes);
    }
}

/* Once everything has been needed, nothing is asked of malloc; eight at once take a turn. */
static void test_asks_for_no_memory(void **state) {
    struct rig *rig = *state;
    for (size_t turn = 0; turn < 100; turn++) {
        struct call *calls[8];
        if (turn == 1)
            faults_arm(0, false);
        for (size_t i = 0; i < array_count(calls); i++)
            calls[i] = rig_begin(
                rig, (struct ask){.route = ISSUE,
                                  .body = TEXT("{\"attributes\":{\"a\":[1,2,{\"b\":\"c\"}]}}")});
        rig_answer(rig);
        rig_turn(rig);
        for (size_t i = 0; i < array_count(calls); i++) {
            assert_int_equal(calls[i]->status, 200);
            call_free(calls[i]);
        }
    }
    assert_int_equal(faults_disarm(), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        RIG_TEST(test_subjects),
        RIG_TEST(test_external_user),
        RIG_TEST(test_service_itself),
        RIG_TEST(test_service_attributes_broken),
        RIG_TEST(test_answer),
        RIG_TEST(test_project_settings),
        RIG_TEST(test_ttl),
        RIG_TEST(test_calendar),
        RIG_TEST(test_branch),
        RIG_TEST(test_attributes_size),
        RIG_TEST(test_token_size),
        RIG_TEST(test_claims_beyond_the_scratch),
        RIG_TEST(test_large),
        RIG_TEST(test_asks_for_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
