/* A service's policy: what its tokens may do less than its roles say. */
#ifndef TOKEN_POLICY_H
#define TOKEN_POLICY_H

#include "base/cidr.h"
#include "token/json.h"

#define POLICY_BYTES_MAX 16384
#define POLICY_CIDRS_MAX 64
#define POLICY_RATE_MAX 1000000

/* Read once, when the grant is cached; values live as long as the arena. */
struct policy {
    uint32_t max_ttl_s;         /* 0: none of its own */
    const struct json *pinned;  /* an object merged into every attr; NULL: none */
    const struct json *allowed; /* an array of the keys that a request may set; NULL: all */
    const struct cidr *cidrs;   /* where the tokens may be used from */
    size_t cidr_count;          /* 0: from everywhere */
    uint32_t rate_per_s;        /* 0: no limit */
    uint32_t rate_burst;
};

/* Reads {"maxTtlSeconds","pinnedAttributes","allowedAttributes","allowedCidrs","rateLimit":
 * {"perSecond","burst"}}, all optional, in camelCase or snake_case. Refused: unknown or repeated
 * members, values of another type, more CIDRs than POLICY_CIDRS_MAX, a CIDR with bits behind its
 * prefix, a burst without a rate. A pinned attribute need not be listed as allowed. */
must_check bool policy_read(struct text text, struct arena *arena, struct policy *ret_policy,
                            struct error *ret_error);

bool policy_allows_address(const struct policy *policy,
                           const uint8_t address[static ADDRESS_BYTES]);

/* Whether a request may set this attribute to this value: it is allowed, and pinned to nothing
 * else. The error names the key. */
must_check bool policy_allows_attribute(const struct policy *policy, struct text key,
                                        const struct json *value, struct error *ret_error);

#endif
