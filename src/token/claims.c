/* The claims of a credential, written as the JSON that is signed. */
#include "token/claims.h"

#include "token/hash.h"

static bool is_given(struct text text) {
    return text.at != NULL;
}

/* Every member but the first is preceded by a comma; the literal holds both. */
static void member_text(struct buffer *out, struct text name, struct text value) {
    buffer_add(out, name);
    buffer_json(out, value);
}

static void member_number(struct buffer *out, struct text name, int64_t value) {
    buffer_add(out, name);
    buffer_signed(out, value);
}

void claims_write_project(const struct claims_project *project, struct buffer *out) {
    member_text(out, TEXT("\"iss\":"), project->issuer);
    member_text(out, TEXT(",\"aud\":["), project->audience);
    member_text(out, TEXT("],\"org\":"), project->org);
    member_text(out, TEXT(",\"project\":"), project->project);
    member_text(out, TEXT(",\"ins\":{"), project->instance_id);
    /* Rill's permissions ReadAPI, ReadMetrics, ReadObjects, UseAI. */
    buffer_add(out, TEXT(":[25,23,21,27]},"));
}

void claims_write_actor(const struct uuid *service_id, const struct uuid *token_id,
                        struct buffer *out) {
    buffer_add(out, TEXT("\"act\":{\"sub\":\"svc_"));
    buffer_uuid(out, service_id);
    buffer_add(out, TEXT("\",\"tid\":\""));
    buffer_uuid(out, token_id);
    buffer_add(out, TEXT("\"},"));
}

/* A name for the user that says nothing about him elsewhere: another project gives another one. */
static void external_write(const struct claims_subject *subject, struct buffer *out) {
    char project_id[UUID_TEXT_BYTES];
    struct buffer project = buffer_over(project_id, sizeof(project_id));
    uint8_t hash[SHA256_BYTES];
    buffer_uuid(&project, &subject->project_id);
    sha256_of((struct text[]){subject->external_user_id, buffer_text(&project)}, 2, hash);
    buffer_add(out, TEXT(",\"sub\":\"ext_"));
    buffer_hex(out, hash, sizeof(hash));
    buffer_byte(out, '"');
}

static bool is_service_itself(const struct claims_subject *subject) {
    return !is_given(subject->user_id) && !is_given(subject->user_email) &&
           !is_given(subject->external_user_id) && subject->attributes == NULL;
}

static void sub_write(const struct claims_subject *subject, struct buffer *out) {
    if (is_given(subject->user_id)) {
        member_text(out, TEXT(",\"sub\":"), subject->user_id);
    } else if (is_given(subject->external_user_id)) {
        external_write(subject, out);
    } else if (is_service_itself(subject)) {
        buffer_add(out, TEXT(",\"sub\":\"svc_"));
        buffer_uuid(out, &subject->service_id);
        buffer_byte(out, '"');
    }
}

static bool object_has(const struct json *object, struct text key) {
    return object != NULL && json_member(object, key) != NULL;
}

/* The members of `attr`, each written with a comma behind it. One that the policy pins is left out
 * until the end, where the pinned ones are written as the policy spells them. */
struct attr {
    struct buffer *out;
    const struct json *pinned;
};

static bool attr_key(const struct attr *attr, struct text key) {
    if (object_has(attr->pinned, key))
        return false;
    buffer_json(attr->out, key);
    buffer_byte(attr->out, ':');
    return true;
}

static void attr_text(const struct attr *attr, struct text key, struct text value) {
    if (!attr_key(attr, key))
        return;
    buffer_json(attr->out, value);
    buffer_byte(attr->out, ',');
}

static void attr_bool(const struct attr *attr, struct text key, bool value) {
    if (attr_key(attr, key))
        buffer_add(attr->out, value ? TEXT("true,") : TEXT("false,"));
}

static void attr_object(const struct attr *attr, const struct json *object) {
    if (object == NULL)
        return;
    for (struct json_iter i = json_iter(object); json_next(&i);) {
        if (!attr_key(attr, i.key))
            continue;
        json_write(i.value, attr->out);
        buffer_byte(attr->out, ',');
    }
}

static void attr_email(const struct attr *attr, struct text email) {
    attr_text(attr, TEXT("email"), email);
    attr_text(attr, TEXT("domain"), claims_email_domain(email));
    attr_bool(attr, TEXT("admin"), false);
}

struct text claims_email_domain(struct text email) {
    const char *at_sign = email.len > 0 ? memrchr(email.at, '@', email.len) : NULL;
    const char *end = email.at + email.len;
    const char *domain = at_sign != NULL ? at_sign + 1 : end;
    return (struct text){domain, (size_t)(end - domain)};
}

/* The service's own attributes override what is known of it. */
static void attr_service(const struct attr *attr, const struct claims_subject *subject) {
    const struct json *own = subject->service_attributes;
    if (!object_has(own, TEXT("name")))
        attr_text(attr, TEXT("name"), subject->service_name);
    if (!object_has(own, TEXT("admin")))
        attr_bool(attr, TEXT("admin"), subject->service_is_admin);
    attr_object(attr, own);
}

static void attr_members(const struct attr *attr, const struct claims_subject *subject) {
    if (is_given(subject->user_id))
        attr_text(attr, TEXT("id"), subject->user_id);
    else if (is_given(subject->user_email))
        attr_email(attr, subject->user_email);
    else if (subject->attributes != NULL)
        attr_object(attr, subject->attributes);
    else if (is_service_itself(subject))
        attr_service(attr, subject);
}

static void attr_write(const struct claims_subject *subject, struct buffer *out) {
    const struct attr attr = {.out = out, .pinned = subject->pinned};
    const struct attr pins = {.out = out};
    const struct json *given =
        is_service_itself(subject) ? subject->service_attributes : subject->attributes;
    buffer_add(out, TEXT(",\"attr\":"));
    if (subject->attributes != NULL && subject->pinned == NULL && !subject->embed) {
        json_write(subject->attributes, out);
        return;
    }
    buffer_byte(out, '{');
    attr_members(&attr, subject);
    attr_object(&pins, subject->pinned);
    if (subject->embed && !object_has(given, TEXT("embed")))
        attr_bool(&attr, TEXT("embed"), true);
    if (!out->overflow && out->at[out->len - 1] == ',')
        out->len--;
    buffer_byte(out, '}');
}

void claims_write(const struct claims *claims, struct buffer *out) {
    const struct claims_subject *subject = claims->subject;
    check(subject->attributes == NULL || json_is_object(subject->attributes));
    buffer_byte(out, '{');
    buffer_add(out, claims->project_part);
    buffer_add(out, claims->actor_part);
    member_number(out, TEXT("\"iat\":"), claims->issued_at_s);
    member_number(out, TEXT(",\"nbf\":"), claims->issued_at_s - claims->not_before_skew_s);
    member_number(out, TEXT(",\"exp\":"), claims->issued_at_s + claims->ttl_s);
    buffer_add(out, TEXT(",\"jti\":\""));
    buffer_hex(out, claims->token_id.bytes, UUID_BYTES);
    buffer_byte(out, '"');
    sub_write(subject, out);
    attr_write(subject, out);
    if (subject->sec.len > 0) {
        buffer_add(out, TEXT(",\"sec\":"));
        buffer_add(out, subject->sec);
    }
    buffer_byte(out, '}');
}
