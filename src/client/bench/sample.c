/* A fair sample of the bodies that were answered, and the check of the credentials in them. */
#include "client/bench/sample.h"

#include <stdlib.h>

#include "token/jwt.h"

/* xorshift64* (Vigna): the sample needs no better. */
static uint64_t dice_next(uint64_t *state) {
    uint64_t x = *state;
    check(x != 0);
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    *state = x;
    return x * 0x2545F4914F6CDD1DULL;
}

static void sample_put(struct samples *samples, size_t i, struct text body) {
    char *copy = malloc(body.len + 1);
    if (copy == NULL)
        return;
    memcpy(copy, body.at, body.len);
    if (i < samples->count) {
        samples->bytes -= samples->bodies[i].len;
        free((char *)(uintptr_t)samples->bodies[i].at);
    } else {
        samples->count++;
    }
    samples->bodies[i] = (struct text){copy, body.len};
    samples->bytes += body.len;
}

void samples_see(struct samples *samples, struct text body) {
    samples->seen++;
    if (samples->max == 0 || body.len == 0)
        return;
    if (samples->bodies == NULL)
        samples->bodies = calloc(samples->max, sizeof(*samples->bodies));
    if (samples->bodies == NULL)
        return;
    if (samples->bytes + body.len > SAMPLE_BYTES_MAX)
        samples->max = samples->count; /* as fair, of fewer */
    if (samples->count < samples->max) {
        sample_put(samples, samples->count, body);
    } else if (samples->max > 0) {
        uint64_t i = dice_next(&samples->state) % samples->seen;
        if (i < samples->max)
            sample_put(samples, (size_t)i, body);
    }
}

void samples_move(struct samples *into, struct samples *from) {
    size_t count = into->count + from->count;
    struct text *bodies = realloc(into->bodies, (count + 1) * sizeof(*bodies));
    if (bodies == NULL)
        return;
    if (from->count > 0)
        memcpy(bodies + into->count, from->bodies, from->count * sizeof(*bodies));
    into->bodies = bodies;
    into->count = count;
    into->bytes += from->bytes;
    into->seen += from->seen;
    from->count = 0;
}

void samples_free(struct samples *samples) {
    for (size_t i = 0; i < samples->count; i++)
        free((char *)(uintptr_t)samples->bodies[i].at);
    free(samples->bodies);
    *samples = (struct samples){0};
}

static void why_set(struct sample_check *check, const char *why, const char *more) {
    struct buffer out = buffer_over(check->why, sizeof(check->why) - 1);
    if (check->why[0] != '\0')
        return;
    buffer_put(&out, why);
    buffer_put(&out, more);
    check->why[out.len] = '\0';
}

static void credential_check(const struct json *object, struct arena *arena,
                             struct sample_check *check) {
    const struct json *value = json_is_object(object) ? json_member(object, check->field) : NULL;
    struct jwt jwt;
    struct error error = {0};
    uint8_t key[PUBLIC_KEY_BYTES];
    if (value == NULL || !json_is_string(value) || json_text(value).len == 0) {
        check->missing++;
        why_set(check, "an answer without the member that is the credential", "");
        return;
    }
    if (check->jwks == NULL)
        return;
    check->checked++;
    if (jwt_read(json_text(value), arena, &jwt, &error)) {
        if (!jwks_find(check->jwks, jwt.kid, key))
            why_set(check, "its kid is none of the keys'", "");
        else if (!jwt_signature_is_good(&jwt, key))
            why_set(check, "its signature is wrong", "");
        else
            return;
    }
    why_set(check, "no JWT that can be checked: ", error.subject);
    check->wrong++;
}

static void body_check(struct text body, struct arena *arena, struct sample_check *check) {
    const struct json *json;
    struct error error;
    if (!json_read(body, 0, arena, &json, &error) || !json_is_object(json)) {
        check->missing++;
        why_set(check, "an answer that is no JSON object", "");
        return;
    }
    const struct json *batch = json_member(json, TEXT("credentials"));
    if (batch == NULL || !json_is_array(batch)) {
        credential_check(json, arena, check);
        return;
    }
    for (struct json_iter i = json_iter(batch); json_next(&i);)
        credential_check(i.value, arena, check);
}

void samples_check(const struct samples *samples, struct sample_check *check) {
    size_t most = 0;
    for (size_t i = 0; i < samples->count; i++)
        most = samples->bodies[i].len > most ? samples->bodies[i].len : most;
    size_t bytes = 48 * most + 65536; /* json.h: 16 a byte; the JWT's parts again */
    void *memory = malloc(bytes);
    for (size_t i = 0; i < samples->count && memory != NULL; i++) {
        struct arena arena = arena_over(memory, bytes);
        body_check(samples->bodies[i], &arena, check);
        arena_reset(&arena);
    }
    free(memory);
}

bool body_has_field(struct text body, struct text field, void *memory, size_t bytes) {
    struct arena arena = arena_over(memory, bytes);
    const struct json *json;
    struct error error;
    bool is_there = false;
    if (json_read(body, 0, &arena, &json, &error) && json_is_object(json)) {
        const struct json *value = json_member(json, field);
        is_there = value != NULL && json_is_string(value) && json_text(value).len > 0;
    }
    arena_reset(&arena);
    return is_there;
}
