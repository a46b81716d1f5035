/* A service's policy: what its tokens may do less than its roles say. */
#include "token/policy.h"

struct policy_input {
    uint64_t given;
    uint64_t max_ttl_s;
    const struct json *pinned;
    const struct json *allowed;
    const struct json *cidrs;
    const struct json *rate;
};
static const struct json_field fields[] = {
    {"max_ttl_seconds", JSON_FIELD_NUMBER, offsetof(struct policy_input, max_ttl_s)},
    {"pinned_attributes", JSON_FIELD_OBJECT, offsetof(struct policy_input, pinned)},
    {"allowed_attributes", JSON_FIELD_ARRAY, offsetof(struct policy_input, allowed)},
    {"allowed_cidrs", JSON_FIELD_ARRAY, offsetof(struct policy_input, cidrs)},
    {"rate_limit", JSON_FIELD_OBJECT, offsetof(struct policy_input, rate)},
};

struct rate_input {
    uint64_t given;
    uint64_t per_s;
    uint64_t burst;
};
static const struct json_field rate_fields[] = {
    {"per_second", JSON_FIELD_NUMBER, offsetof(struct rate_input, per_s)},
    {"burst", JSON_FIELD_NUMBER, offsetof(struct rate_input, burst)},
};

/* ---- what it allows ------------------------------------------------------------------------- */

bool policy_allows_address(const struct policy *policy,
                           const uint8_t address[static ADDRESS_BYTES]) {
    return policy->cidr_count == 0 || cidr_any_has(policy->cidrs, policy->cidr_count, address);
}

static bool is_listed(const struct json *keys, struct text key) {
    for (struct json_iter i = json_iter(keys); json_next(&i);)
        if (text_equal(json_text(i.value), key))
            return true;
    return false;
}

bool policy_allows_attribute(const struct policy *policy, struct text key, const struct json *value,
                             struct error *ret_error) {
    const struct json *pinned = policy->pinned != NULL ? json_member(policy->pinned, key) : NULL;
    if (pinned != NULL)
        return (value != NULL && json_equal(pinned, value)) ||
               error_about(ret_error, ERROR_POLICY_PINNED, key);
    return policy->allowed == NULL || is_listed(policy->allowed, key) ||
           error_about(ret_error, ERROR_POLICY_ATTRIBUTE, key);
}

/* ---- reading --------------------------------------------------------------------------------- */

static bool strings_check(const struct json *list, struct error *ret_error) {
    for (struct json_iter i = json_iter(list); json_next(&i);)
        if (!json_is_string(i.value))
            return error_set(ret_error, ERROR_FIELD_VALUE,
                             "allowedAttributes must be an array of strings");
    return true;
}

static bool cidrs_read(const struct json *list, struct arena *arena, struct policy *policy,
                       struct error *ret_error) {
    size_t count = json_count(list);
    if (count == 0 || count > POLICY_CIDRS_MAX)
        return error_set(ret_error, ERROR_FIELD_VALUE,
                         "allowedCidrs must be 1 to %d; leave it out to allow every address",
                         POLICY_CIDRS_MAX);
    struct cidr *cidrs = arena_take(arena, count * sizeof(*cidrs));
    if (cidrs == NULL)
        return error_set(ret_error, ERROR_OVERLOADED, "memory");
    size_t read = 0;
    for (struct json_iter i = json_iter(list); json_next(&i);)
        if (!json_is_string(i.value) || !cidr_read(json_text(i.value), &cidrs[read++]))
            return error_set(
                ret_error, ERROR_FIELD_VALUE,
                "allowedCidrs must be like 192.0.2.0/24 or 2001:db8::/32, with no bits "
                "behind the prefix");
    policy->cidrs = cidrs;
    policy->cidr_count = count;
    return true;
}

static bool rate_read(const struct json *object, struct policy *policy, struct error *ret_error) {
    struct rate_input input = {0};
    if (!json_read_fields(object, rate_fields, array_count(rate_fields), &input, ret_error))
        return false;
    if (input.per_s == 0 || input.per_s > POLICY_RATE_MAX || input.burst > POLICY_RATE_MAX)
        return error_set(ret_error, ERROR_FIELD_VALUE,
                         "rateLimit must have perSecond from 1 to %d and burst up to %d",
                         POLICY_RATE_MAX, POLICY_RATE_MAX);
    policy->rate_per_s = (uint32_t)input.per_s;
    policy->rate_burst = (uint32_t)(input.burst != 0 ? input.burst : input.per_s);
    return true;
}

bool policy_read(struct text text, struct arena *arena, struct policy *ret_policy,
                 struct error *ret_error) {
    struct policy policy = {0};
    struct policy_input input = {0};
    const struct json *object;
    if (!json_read(text, 2, arena, &object, ret_error))
        return false;
    if (!json_is_object(object))
        return error_set(ret_error, ERROR_JSON_NOT_OBJECT, "policy");
    if (!json_read_fields(object, fields, array_count(fields), &input, ret_error))
        return false;
    policy.max_ttl_s = (uint32_t)input.max_ttl_s;
    policy.pinned = input.pinned;
    policy.allowed = input.allowed;
    if ((input.allowed != NULL && !strings_check(input.allowed, ret_error)) ||
        (input.cidrs != NULL && !cidrs_read(input.cidrs, arena, &policy, ret_error)) ||
        (input.rate != NULL && !rate_read(input.rate, &policy, ret_error)))
        return false;
    *ret_policy = policy;
    return true;
}
