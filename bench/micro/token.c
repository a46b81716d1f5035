/* What each operation of the token layer costs. */
#include <stdio.h>

#include "base/base64.h"
#include "measure.h"
#include "token/claims.h"
#include "token/jwt.h"
#include "token/service_token.h"

static char memory[1 << 16];
static struct random random_source;

/* A token as it comes, and its hash as it is stored. */
static char token_chars[TOKEN_TEXT_BYTES_MAX];
static struct text token_text;
static uint8_t token_hash[TOKEN_HASH_BYTES];

static void token_prepare(void) {
    struct service_token token;
    struct buffer out = buffer_over(token_chars, sizeof(token_chars));
    service_token_make(&random_source, TOKEN_SERVICE, &token);
    service_token_write(&token, TEXT("mint"), &out);
    service_token_hash(&token, token_hash);
    token_text = buffer_text(&out);
}

static void token_read(void) {
    struct service_token token;
    check(service_token_read(token_text, TEXT("mint"), &token));
}

static void token_read_and_match(void) {
    struct service_token token;
    check(service_token_read(token_text, TEXT("mint"), &token));
    check(service_token_matches(&token, token_hash));
}

static void token_jti(void) {
    struct uuid id;
    random_uuid(&random_source, &id);
}

/* The request of the documentation, with four attributes. */
static const char body[] = "{\n  \"attributes\": {\n    \"email\": \"user@example.com\",\n"
                           "    \"department\": \"sales\",\n    \"region\": \"us-west\",\n"
                           "    \"customer_id\": \"acme-corp\"\n  },\n  \"ttl_seconds\": 3600\n}";

struct issue {
    uint64_t given;
    struct text user_email;
    uint64_t ttl_seconds;
    const struct json *attributes;
};
static const struct json_field fields[] = {
    {"user_email", JSON_FIELD_TEXT, offsetof(struct issue, user_email)},
    {"ttl_seconds", JSON_FIELD_NUMBER, offsetof(struct issue, ttl_seconds)},
    {"attributes", JSON_FIELD_OBJECT, offsetof(struct issue, attributes)},
};

static char claims_chars[2048];
static struct text claims_text;
static char parts[1024];
static struct text project_part, actor_part;

static void claims_prepare(void) {
    struct buffer out = buffer_over(parts, sizeof(parts));
    struct uuid id;
    random_uuid(&random_source, &id);
    claims_write_project(
        &(struct claims_project){
            .issuer = TEXT("https://auth.example.com"),
            .audience = TEXT("https://runtime.example.com"),
            .org = TEXT("my-org"),
            .project = TEXT("analytics-dashboard"),
            .instance_id = TEXT("4a8a08f0-9d2b-73ca-9149-1c1f00000000"),
        },
        &out);
    project_part = buffer_text(&out);
    claims_write_actor(&id, &id, &out);
    actor_part = (struct text){parts + project_part.len, out.len - project_part.len};
}

static void body_read(struct issue *issue) {
    struct arena arena = arena_over(memory, sizeof(memory));
    const struct json *json;
    struct error error;
    check(json_read((struct text){body, sizeof(body) - 1}, 1, &arena, &json, &error));
    check(json_read_fields(json, fields, array_count(fields), issue, &error));
}

static void json_read_body(void) {
    struct issue issue;
    body_read(&issue);
}

static void json_to_claims(void) {
    struct issue issue;
    struct buffer out = buffer_over(claims_chars, sizeof(claims_chars));
    body_read(&issue);
    struct claims_subject subject = {.attributes = issue.attributes};
    struct claims claims = {.project_part = project_part,
                            .actor_part = actor_part,
                            .issued_at_s = 1767225600,
                            .not_before_skew_s = 5,
                            .ttl_s = (uint32_t)issue.ttl_seconds,
                            .subject = &subject};
    claims_write(&claims, &out);
    check(!out.overflow);
    claims_text = buffer_text(&out);
}

static struct keyring *keyring;
static char input_chars[2048];
static struct text input;

static void jwt_input(void) {
    struct buffer out = buffer_over(input_chars, sizeof(input_chars));
    jwt_write_input(keyring_jwt_header(keyring, false), claims_text, &out);
    input = buffer_text(&out);
}

static uint8_t signatures[8][SIGNATURE_BYTES];

static void sign(size_t count) {
    struct sign_job jobs[8];
    for (size_t i = 0; i < count; i++)
        jobs[i] = (struct sign_job){input.at, input.len, signatures[i]};
    keyring_sign(keyring, jobs, count);
}

static void sign_one(void) {
    sign(1);
}

static void sign_two(void) {
    sign(2);
}

static void sign_eight(void) {
    sign(8);
}

static void jwt_check(void) {
    static char text[2048];
    struct arena arena = arena_over(memory, sizeof(memory));
    struct buffer out = buffer_over(text, sizeof(text));
    struct jwt jwt;
    struct error error;
    buffer_add(&out, input);
    jwt_write_signature(signatures[0], &out);
    check(jwt_read(buffer_text(&out), &arena, &jwt, &error));
    check(jwt_signature_is_good(&jwt, keyring_public_key(keyring, jwt.kid)));
}

static void keyring_prepare(void) {
    static const char zeros[] = "0000000000000000000000000000000000000000000000000000000000000000";
    struct master_key *master = NULL;
    struct key_record record;
    struct error error;
    check(master_key_read_text(text_of(zeros), &master, &error));
    check(key_create(master, KEY_ACTIVE, 0, &record, &error));
    check(keyring_open(master, &record, 1, &keyring, &error));
    master_key_close(master);
}

int main(void) {
    check(token_start() && random_open(&random_source));
    token_prepare();
    claims_prepare();
    keyring_prepare();
    measure("service token: read", token_read, 1);
    measure("service token: read, hash, compare", token_read_and_match, 1);
    measure("random: a jti", token_jti, 1);
    measure("JSON: read a body of 4 attributes, its fields", json_read_body, 1);
    measure("the same, and write the claims", json_to_claims, 1);
    measure("JWT: signing input (base64url)", jwt_input, 1);
    measure("sign: alone", sign_one, 1);
    measure("sign: each of a batch of 8", sign_eight, 8);
    if (signer_multi_buffer() != NULL && signer_use(signer_multi_buffer())) {
        measure("sign: each of 2, multi-buffer", sign_two, 2);
        measure("sign: each of 8, multi-buffer", sign_eight, 8);
    }
    measure("JWT: read and check the signature", jwt_check, 1);
    (void)printf("claims %zu bytes, signing input %zu, signer %s\n", claims_text.len, input.len,
                 signer_name());
    keyring_release(keyring);
    return 0;
}
