/* Credentials that were minted, read as whoever checks them would. */
#include "minted.h"

static char memory[32 << 20];
static struct arena arena = {.at = (uint8_t *)memory, .size = sizeof(memory)};

const struct json *call_json(const struct call *call) {
    const struct json *value;
    struct error error;
    arena_reset(&arena);
    assert_true(json_read(call->body, JSON_DEPTH_EXTRA_MAX, &arena, &value, &error));
    return value;
}

static struct text json_string(const struct json *object, const char *key) {
    const struct json *value = json_member(object, text_of(key));
    assert_non_null(value);
    return json_text(value);
}

static uint64_t json_uint(const struct json *object, const char *key) {
    const struct json *value = json_member(object, text_of(key));
    uint64_t number;
    assert_non_null(value);
    assert_true(json_number(value, UINT32_MAX, &number));
    return number;
}

static struct text json_keep(const struct json *value) {
    size_t size = 1 << 18;
    struct buffer out = buffer_over(arena_take(&arena, size), size);
    json_write(value, &out);
    assert_false(out.overflow);
    assert_true(arena_resize(&arena, out.at, size, out.len));
    return buffer_text(&out);
}

static const struct world_project *project_of(const struct world *world, struct text org,
                                              struct text name) {
    for (size_t i = 0; i < WORLD_PROJECTS; i++)
        if (text_equal(world->projects[i].project.name, name) &&
            text_equal(world->projects[i].project.org_name, org))
            return &world->projects[i];
    fail();
    return NULL;
}

/* "iss":…,"aud":…,"org":…,"project":…,"ins":…,"act":… of the project and the token; the
 * operator's acts as GATEWAY. */
static void fixed_check(const struct realm *realm, enum world_service_index as,
                        const struct minted *minted) {
    const struct json *claims = minted->jwt.claims;
    const struct world_token *token = &realm->world.tokens[as];
    enum world_service_index service = as == OPERATOR ? GATEWAY : token->service;
    const struct project *project =
        &project_of(&realm->world, json_string(claims, "org"), json_string(claims, "project"))
             ->project;
    char wanted[1024];
    struct buffer out = buffer_over(wanted, sizeof(wanted) - 1);
    buffer_put(&out,
               "{\"iss\":\"" RIG_ISSUER "\",\"aud\":[\"https://runtime.example\"],\"org\":\"");
    buffer_add(&out, project->org_name);
    buffer_put(&out, "\",\"project\":\"");
    buffer_add(&out, project->name);
    buffer_put(&out, "\",\"ins\":{\"");
    buffer_uuid(&out, &project->instance_id);
    buffer_put(&out, "\":[25,23,21,27]},\"act\":{\"sub\":\"svc_");
    buffer_uuid(&out, &realm->world.services[service].id);
    buffer_put(&out, "\",\"tid\":\"");
    buffer_uuid(&out, &token->token.id);
    buffer_put(&out, "\"},\"iat\":");
    wanted[out.len] = '\0';
    assert_has(minted->claims, wanted);
}

static void times_check(const struct realm *realm, const struct minted *minted) {
    const struct json *claims = minted->jwt.claims;
    uint64_t issued_s = json_uint(claims, "iat");
    assert_int_equal(issued_s, realm->clock.wall_s);
    assert_int_equal(json_uint(claims, "nbf"), issued_s - 5);
    assert_int_equal(json_uint(claims, "exp"), issued_s + minted->ttl_s);
    assert_int_equal(json_uint(minted->answer, "refreshAfterSeconds"), minted->ttl_s * 4 / 5);
}

static void signature_check(const struct realm *realm, const struct minted *minted) {
    const uint8_t *key = keyring_public_key(realm->keyring, minted->jwt.kid);
    assert_non_null(key);
    assert_true(jwt_signature_is_good(&minted->jwt, key));
}

void minted_take(const struct call *call, const struct json *answer, struct minted *ret_minted) {
    const struct realm *realm = call->rig->realm;
    struct minted minted = {.answer = answer, .text = json_string(answer, "accessToken")};
    struct error error;
    assert_true(jwt_read(minted.text, &arena, &minted.jwt, &error));
    minted.claims = json_keep(minted.jwt.claims);
    minted.ttl_s = json_uint(answer, "ttlSeconds");
    struct text jti = json_string(minted.jwt.claims, "jti");
    assert_int_equal(jti.len, 32);
    const char *at = memmem(minted.claims.at, minted.claims.len, "\"jti\":\"", 7);
    minted.tail.at = at + 7 + 32 + 1;
    minted.tail.len = (size_t)(minted.claims.at + minted.claims.len - minted.tail.at);
    signature_check(realm, &minted);
    fixed_check(realm, call->as, &minted);
    times_check(realm, &minted);
    *ret_minted = minted;
}

void minted_read(const struct call *call, struct minted *ret_minted) {
    assert_reply(call, 200, NONE);
    minted_take(call, call_json(call), ret_minted);
}
