/* The steps of a request, in the order of steps.def; those that manage are in steps_manage.c. */
#include "mint/steps.h"

#define LOOKUP_ATTEMPTS_MAX 3

/* ---- admit ---------------------------------------------------------------------------------- */

enum body_type { BODY_JSON, BODY_FORM, BODY_OTHER };

/* Absent is JSON. Parameters (charset) mean nothing. */
static enum body_type body_type_of(struct text type) {
    size_t len = 0;
    while (len < type.len && type.at[len] != ';')
        len++;
    type = text_trim((struct text){type.at, len});
    if (type.len == 0 || text_equal_nocase(type, TEXT("application/json")))
        return BODY_JSON;
    return text_equal_nocase(type, TEXT("application/x-www-form-urlencoded")) ? BODY_FORM
                                                                              : BODY_OTHER;
}

/* What curl sends by default is a form by its name and JSON by its first character. */
static bool is_form(const struct route *route, struct text body) {
    size_t start = 0;
    while (start < body.len && memchr(" \t\r\n", body.at[start], 4) != NULL)
        start++;
    return (route->query & QUERY_FORM) && start < body.len && body.at[start] != '{';
}

static bool request_id_is_sane(struct text id) {
    if (id.len == 0 || id.len > REQUEST_ID_CHARS)
        return false;
    for (size_t i = 0; i < id.len; i++) {
        char byte = id.at[i];
        bool is_word = (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') ||
                       (byte >= 'A' && byte <= 'Z');
        if (!is_word && strchr("-_.:/+=@", byte) == NULL)
            return false;
    }
    return true;
}

void request_id_take(struct text sent, struct random *random, struct buffer *out) {
    uint8_t bytes[12];
    if (request_id_is_sane(sent)) {
        buffer_add(out, sent);
        return;
    }
    random_bytes(random, bytes, sizeof(bytes));
    buffer_hex(out, bytes, sizeof(bytes));
}

/* Query parameters that are texts, in both spellings, and where the request keeps them. */
static const struct query_text {
    struct text names[2];
    enum route_query query;
    size_t offset;
    bool may_be_empty;
} query_texts[] = {
    {{TEXT_INIT("page_token"), TEXT_INIT("pageToken")},
     QUERY_PAGE,
     offsetof(struct request, page_token),
     true},
    {{TEXT_INIT("org"), TEXT_INIT("org")},
     QUERY_ORG,
     offsetof(struct request, params[PARAM_ORG]),
     false},
    {{TEXT_INIT("project"), TEXT_INIT("project")},
     QUERY_PROJECT,
     offsetof(struct request, params[PARAM_PROJECT]),
     false},
    {{TEXT_INIT("service"), TEXT_INIT("service")},
     QUERY_SERVICE,
     offsetof(struct request, params[PARAM_SERVICE]),
     false},
    {{TEXT_INIT("aud"), TEXT_INIT("audience")},
     QUERY_AUDIENCE,
     offsetof(struct request, audience),
     false},
};

/* NULL if the route takes no such text. */
static const struct query_text *query_text_find(const struct route *route, struct text name) {
    for (size_t i = 0; i < array_count(query_texts); i++)
        if ((route->query & query_texts[i].query) && (text_equal(name, query_texts[i].names[0]) ||
                                                      text_equal(name, query_texts[i].names[1])))
            return &query_texts[i];
    return NULL;
}

/* False if it cannot be used: given twice, which one to take is a guess. */
static bool query_text_take(struct request *request, const struct query_text *wanted,
                            struct text name, struct text value) {
    struct text *place = (struct text *)((char *)request + wanted->offset);
    if (place->len > 0 || (value.len == 0 && !wanted->may_be_empty))
        return error_about(&request->error, ERROR_QUERY_VALUE, name);
    return request_copy(request, value, place);
}

static bool query_explain_take(struct request *request, struct text value) {
    request->explain = text_equal(value, TEXT("1")) || text_equal(value, TEXT("true"));
    return request->explain || text_equal(value, TEXT("0")) || text_equal(value, TEXT("false"));
}

static bool query_wait_take(struct request *request, struct text value) {
    request->no_wait = text_equal(value, TEXT("0")) || text_equal(value, TEXT("false"));
    return request->no_wait || text_equal(value, TEXT("1")) || text_equal(value, TEXT("true"));
}

static bool query_size_take(struct request *request, struct text value) {
    uint64_t number = 0;
    bool is_number = text_number(value, 1000, &number);
    request->page_size = (uint32_t)number;
    return is_number;
}

/* The routes' own reading of the query: each takes what it lists and refuses the rest. */
static bool query_take(struct request *request, struct text name, struct text value) {
    char memory[512];
    struct buffer decoded = buffer_over(memory, sizeof(memory));
    uint32_t takes = request->route->query;
    if (!http_decode(value, true, &decoded))
        return error_about(&request->error, ERROR_QUERY_VALUE, name);
    struct text plain = buffer_text(&decoded);
    const struct query_text *wanted = query_text_find(request->route, name);
    if (wanted != NULL)
        return query_text_take(request, wanted, name, plain);
    bool is_size = text_equal(name, TEXT("page_size")) || text_equal(name, TEXT("pageSize"));
    bool is_taken;
    if ((takes & QUERY_EXPLAIN) && text_equal(name, TEXT("explain")))
        is_taken = query_explain_take(request, plain);
    else if ((takes & QUERY_WAIT) && text_equal(name, TEXT("wait")))
        is_taken = query_wait_take(request, plain);
    else if ((takes & QUERY_PAGE) && is_size)
        is_taken = query_size_take(request, plain);
    else
        return error_about(&request->error, ERROR_QUERY_UNKNOWN, name);
    return is_taken || error_about(&request->error, ERROR_QUERY_VALUE, name);
}

static bool query_read(struct request *request, struct text query) {
    struct text name, value;
    while (http_query_next(&query, &name, &value))
        if (!query_take(request, name, value))
            return false;
    return true;
}

/* yyjson takes about 16 bytes a byte of JSON; small bodies fit the request's own block. */
static bool body_parse(struct request *request, struct text body) {
    size_t size = body.len * 16 + 1024;
    struct arena own;
    struct arena *arena = &request->arena;
    request->body_bytes = body.len;
    if (size > arena_left(&request->arena) / 2) {
        void *memory = request_take(request, size);
        if (memory == NULL)
            return false;
        own = arena_over(memory, size);
        arena = &own;
    }
    /* Attributes stand one level down, in a batch three. */
    unsigned levels = request->route->form == ISSUE_BATCH ? 3 : 1;
    if (!json_read(body, levels, arena, &request->body, &request->error))
        return false;
    return json_is_object(request->body) ||
           error_set(&request->error, ERROR_JSON_NOT_OBJECT, "the body");
}

static bool body_take(struct request *request, const struct http_request *sent) {
    struct text type_text = sent->headers[HTTP_HEADER_CONTENT_TYPE];
    enum body_type type = body_type_of(type_text);
    if (type == BODY_OTHER)
        return error_about(&request->error, ERROR_CONTENT_TYPE, type_text);
    if (type == BODY_JSON || !is_form(request->route, sent->body))
        return body_parse(request, sent->body);
    request->form = sent->body;
    return true;
}

static bool body_read(struct request *request, const struct http_request *sent) {
    /* A body of GET or HEAD means nothing (RFC 9110 §9.3.1). */
    bool has_meaning =
        sent->method != HTTP_GET && sent->method != HTTP_HEAD && request->route->method != HTTP_ANY;
    if (sent->body.len > 0 && has_meaning && !body_take(request, sent))
        return false;
    if (request->route->parse != NULL)
        return request->route->parse(request);
    uint64_t given = 0;
    return request->body == NULL ||
           json_read_fields(request->body, NULL, 0, &given, &request->error);
}

static bool is_proxy(const struct mint *mint, struct text peer) {
    uint8_t address[ADDRESS_BYTES];
    return cidr_read_address(peer, address) &&
           cidr_any_has(mint->settings.proxies, mint->settings.proxy_count, address);
}

/* Each proxy adds whom it heard to the end of X-Forwarded-For: from there back, the first address
 * that is no proxy of ours is the client's. What stands before it is hearsay. */
static void peer_settle(struct request *request, struct text forwarded) {
    struct text peer = text_of(request->peer);
    while (forwarded.len > 0 && is_proxy(request->mint, peer)) {
        const char *comma = memrchr(forwarded.at, ',', forwarded.len);
        const char *start = comma != NULL ? comma + 1 : forwarded.at;
        struct text last = {start, (size_t)(forwarded.at + forwarded.len - start)};
        uint8_t address[ADDRESS_BYTES];
        last = text_trim(last);
        if (last.len >= sizeof(request->peer) || !cidr_read_address(last, address))
            return;
        memcpy(request->peer, last.at, last.len);
        request->peer[last.len] = '\0';
        peer = text_of(request->peer);
        forwarded.len = comma != NULL ? (size_t)(comma - forwarded.at) : 0;
    }
}

static bool params_keep(struct request *request) {
    for (size_t i = 0; i < PARAM_COUNT; i++)
        if (!request_copy(request, request->params[i], &request->params[i]))
            return false;
    return true;
}

int step_admit(struct request *request) {
    const struct http_request *sent = &request->exchange->request;
    struct buffer id = buffer_over(request->request_id, REQUEST_ID_CHARS);
    request_id_take(sent->headers[HTTP_HEADER_REQUEST_ID], request->mint->random, &id);
    conn_peer(request->exchange->conn, request->peer);
    if (request->mint->settings.proxy_count > 0)
        peer_settle(request, sent->headers[HTTP_HEADER_FORWARDED_FOR]);
    if (!params_keep(request) || !query_read(request, sent->query) || !body_read(request, sent))
        return STEP_RESPOND;
    return request->route->who == WHO_NOBODY ? STEP_ACT : VERDICT_NEXT;
}

/* ---- auth ----------------------------------------------------------------------------------- */

/* What stands behind "Bearer" (RFC 6750 §2.1), the scheme in any case. */
static bool bearer_read(struct text header, struct text *ret_text) {
    static const size_t scheme_len = sizeof("Bearer") - 1;
    if (header.len <= scheme_len || header.at[scheme_len] != ' ' ||
        !text_equal_nocase((struct text){header.at, scheme_len}, TEXT("Bearer")))
        return false;
    *ret_text = text_trim((struct text){header.at + scheme_len, header.len - scheme_len});
    return true;
}

static bool bearer_take(struct request *request, struct text header) {
    bool is_credential = request->route->who == WHO_CREDENTIAL;
    struct text text;
    if (!bearer_read(header, &text))
        return error_set(&request->error,
                         is_credential ? ERROR_CREDENTIAL_MISSING : ERROR_TOKEN_MISSING, NULL);
    if (is_credential)
        return presented_take(request, text);
    if (!service_token_read(text, request->mint->settings.brand, &request->token))
        return error_set(&request->error, ERROR_TOKEN_MALFORMED, NULL);
    request->token_is_read = true;
    return true;
}

enum found { FOUND_GOOD, FOUND_BAD, FOUND_MISS };

static enum found found_bad(struct request *request, enum error_code code) {
    (void)error_set(&request->error, code, NULL);
    return FOUND_BAD;
}

static bool is_believed(const struct mint *mint, const struct stamp *stamp,
                        const struct scope *scopes, size_t count) {
    bool accepts =
        freshness_accepts(mint->freshness, stamp, mint->clock->monotonic_us, scopes, count);
    if (unlikely(!accepts))
        metric_add(mint->metrics, METRIC_L1_STALE, 1);
    return accepts;
}

/* NULL if it is not there, or was cut. */
static struct cached_grant *grant_believed(const struct mint *mint, const struct uuid *key) {
    struct cached_grant *cached = cache_find_grant(mint->cache, key);
    if (cached == NULL)
        return NULL;
    const struct grant *grant = cached->grant;
    const struct scope scopes[] = {{SCOPE_TOKEN, grant->token_id},
                                   {SCOPE_SERVICE, grant->service_id},
                                   {SCOPE_ORG, grant->org_id}};
    return is_believed(mint, &cached->entry.stamp, scopes, array_count(scopes)) ? cached : NULL;
}

static enum found grant_find(struct request *request) {
    struct mint *mint = request->mint;
    struct cached_grant *cached = grant_believed(mint, &request->token.id);
    if (cached == NULL) {
        enum error_code known =
            cache_unknown_find(mint->cache, &request->token.id, mint->clock->monotonic_us);
        if (known == ERROR_NONE)
            return FOUND_MISS;
        metric_add(mint->metrics, METRIC_UNKNOWN_HITS, 1);
        return found_bad(request, known);
    }
    const struct grant *grant = cached->grant;
    bool is_token = request->presented == NULL; /* else our signature vouches for it */
    if (is_token && (grant->kind != request->token.kind ||
                     !service_token_matches(&request->token, grant->secret_hash)))
        return found_bad(request, ERROR_TOKEN_UNKNOWN);
    /* What an expired token has minted stays good: rotation hurts nobody. */
    if (is_token && grant->expires_s != 0 && mint->clock->wall_s >= grant->expires_s)
        return found_bad(request, ERROR_TOKEN_EXPIRED);
    request->grant = cached;
    return FOUND_GOOD;
}

/* A credential names the service that it was minted by. */
static bool names_service(const struct request *request) {
    return request->presented != NULL ||
           (request->route->kind == ROUTE_ISSUE && request->params[PARAM_SERVICE].len > 0);
}

struct uuid request_acting_key(const struct request *request) {
    const struct cache *cache = request->mint->cache;
    char id[UUID_TEXT_BYTES];
    struct buffer out = buffer_over(id, sizeof(id));
    if (request->presented == NULL)
        return cache_acting_key(cache, &request->token.id, request->params[PARAM_ORG],
                                request->params[PARAM_SERVICE]);
    buffer_uuid(&out, &request->presented->service_id);
    return cache_acting_key(cache, &request->token.id, (struct text){0}, buffer_text(&out));
}

/* Whether there can be such a service. */
static bool can_act(const struct request *request) {
    return request->presented != NULL || (text_is_name(request->params[PARAM_ORG]) &&
                                          text_is_name(request->params[PARAM_SERVICE]));
}

/* The operator acts as the service that is named: from here on the grant is that one's. */
static enum found acting_find(struct request *request) {
    struct mint *mint = request->mint;
    if (request->grant->grant->kind != TOKEN_OPERATOR || request->is_service_missing)
        return FOUND_GOOD;
    request->is_acting = can_act(request);
    request->is_service_missing = !request->is_acting;
    if (!request->is_acting)
        return FOUND_GOOD;
    struct uuid key = request_acting_key(request);
    struct cached_grant *acting = grant_believed(mint, &key);
    if (acting == NULL) {
        request->is_service_missing =
            cache_unknown_find(mint->cache, &key, mint->clock->monotonic_us) != ERROR_NONE;
        return request->is_service_missing ? FOUND_GOOD : FOUND_MISS;
    }
    request->operator_grant = request->grant;
    request->grant = acting;
    return FOUND_GOOD;
}

/* Whether the request's org is the one that the caller's service belongs to; where it names none
 * that one is meant. */
static bool is_own_org(const struct request *request, const struct grant *grant) {
    struct text org = request->params[PARAM_ORG];
    return grant->kind == TOKEN_SERVICE &&
           (org.len == 0 || text_equal_nocase(org, grant->org_name));
}

static struct cached_project *project_believed(const struct mint *mint, const struct uuid *org_id,
                                               struct text name) {
    struct cached_project *cached = cache_find_project(mint->cache, org_id, name);
    if (cached == NULL)
        return NULL;
    const struct scope scopes[] = {{SCOPE_PROJECT, cached->record->project.id},
                                   {SCOPE_ORG, cached->record->project.org_id}};
    return is_believed(mint, &cached->entry.stamp, scopes, array_count(scopes)) ? cached : NULL;
}

/* A project of another org is not looked up: `authorize` refuses. */
static enum found project_find(struct request *request) {
    struct mint *mint = request->mint;
    const struct grant *grant = request->grant->grant;
    struct text name = request->params[PARAM_PROJECT];
    if (name.len == 0 || !is_own_org(request, grant) || request->is_project_missing)
        return FOUND_GOOD;
    request->project = project_believed(mint, &grant->org_id, name);
    if (request->project != NULL)
        return FOUND_GOOD;
    struct uuid key = cache_project_key(mint->cache, &grant->org_id, name);
    request->is_project_missing =
        !text_is_name(name) ||
        cache_unknown_find(mint->cache, &key, mint->clock->monotonic_us) != ERROR_NONE;
    return request->is_project_missing ? FOUND_GOOD : FOUND_MISS;
}

static enum found auth_find(struct request *request) {
    request->grant = request->operator_grant = NULL;
    request->project = NULL;
    enum found found = grant_find(request);
    if (found == FOUND_GOOD && unlikely(names_service(request)))
        found = acting_find(request);
    return found == FOUND_GOOD ? project_find(request) : found;
}

int step_auth_local(struct request *request) {
    struct mint *mint = request->mint;
    struct text header = request->exchange->request.headers[HTTP_HEADER_AUTHORIZATION];
    if (!bearer_take(request, header))
        return STEP_RESPOND;
    enum found found = auth_find(request);
    if (found == FOUND_BAD)
        return STEP_RESPOND;
    metric_add(mint->metrics, found == FOUND_GOOD ? METRIC_L1_HITS : METRIC_L1_MISSES, 1);
    if (found == FOUND_MISS && freshness_left_us(mint->freshness, mint->clock->monotonic_us) == 0)
        metric_add(mint->metrics, METRIC_NOT_FRESH, 1);
    return found == FOUND_GOOD ? STEP_AUTHORIZE : VERDICT_NEXT;
}

int step_auth_registry(struct request *request) {
    request->attempts++;
    return flight_join(request) ? VERDICT_WAIT : STEP_RESPOND;
}

int step_auth_registry_done(struct request *request) {
    if (request->flight != NULL) { /* there is no answer: its time is over, or its client gone */
        flight_leave(request);
        return FAIL(request, ERROR_REGISTRY_AWAY, NULL);
    }
    request->timed_out = false;
    if (error_is(&request->error))
        return STEP_RESPOND;
    switch (auth_find(request)) {
    case FOUND_GOOD:
        return VERDICT_NEXT;
    case FOUND_BAD:
        return STEP_RESPOND;
    case FOUND_MISS:
        break;
    }
    /* Cut, flushed or pushed out between the answer and now: asked again, but not for ever. */
    if (request->attempts < LOOKUP_ATTEMPTS_MAX)
        return step_auth_registry(request);
    return FAIL(request, ERROR_NOT_FRESH, NULL);
}

/* ---- authorize ------------------------------------------------------------------------------ */

uint32_t grant_permissions_in(const struct grant *grant, const struct uuid *project_id) {
    uint32_t own = 0;
    for (size_t i = 0; i < grant->project_count; i++)
        if (uuid_equal(&grant->projects[i].id, project_id))
            own = grant->projects[i].permissions;
    return permissions_in_project(grant->org_permissions, own);
}

static uint32_t project_permissions(const struct request *request, const struct grant *grant) {
    if (grant->kind == TOKEN_OPERATOR)
        return grant->org_permissions;
    if (request->project == NULL)
        return permissions_in_project(grant->org_permissions, 0);
    return grant_permissions_in(grant, &request->project->record->project.id);
}

static void caller_fix(struct request *request, const struct grant *grant) {
    struct caller *caller = &request->caller;
    struct buffer name = buffer_over(caller->service_name, NAME_BYTES_MAX);
    buffer_add(&name, grant->service_name);
    caller->service_name[name.len] = '\0';
    caller->kind = grant->kind;
    caller->token_id = grant->token_id;
    caller->service_id = grant->service_id;
    caller->org_id = grant->org_id;
    caller->org_permissions = grant->org_permissions;
    caller->project_permissions = is_own_org(request, grant) || grant->kind == TOKEN_OPERATOR
                                      ? project_permissions(request, grant)
                                      : 0;
}

static void roles_write(struct buffer *out, enum role_scope scope, uint32_t permission) {
    size_t count;
    const struct role *roles = roles_of(scope, &count);
    const char *before = scope == ROLE_ORG ? "the org role " : "the project role ";
    for (size_t i = 0; i < count; i++) {
        if (!(roles[i].permissions & permission))
            continue;
        buffer_put(out, before);
        buffer_put(out, roles[i].name);
        before = " or ";
    }
}

/* Says which roles would do; the same whether or not what was asked for exists. */
static int forbid(struct request *request) {
    char memory[ERROR_SUBJECT_BYTES];
    struct buffer out = buffer_over(memory, sizeof(memory));
    const struct route *route = request->route;
    if (route->who == WHO_OPERATOR)
        return FAIL(request, ERROR_FORBIDDEN, "only the operator token may do this");
    if (route->who == WHO_ISSUER && request->caller.kind == TOKEN_OPERATOR)
        return FAIL(request, ERROR_FORBIDDEN,
                    "the operator token mints only as a service of the org: name one with "
                    "?service=NAME, or use its token");
    buffer_put(&out, "this needs ");
    roles_write(&out, ROLE_ORG, route->permission);
    if (route->who != WHO_ORG) {
        buffer_put(&out, ", or ");
        roles_write(&out, ROLE_PROJECT, route->permission);
    }
    buffer_put(&out, " there");
    (void)error_about(&request->error, ERROR_FORBIDDEN, buffer_text(&out));
    return STEP_RESPOND;
}

static bool is_allowed(const struct request *request, const struct grant *grant) {
    const struct route *route = request->route;
    const struct caller *caller = &request->caller;
    bool is_operator = caller->kind == TOKEN_OPERATOR;
    switch (route->who) {
    case WHO_NOBODY:
    case WHO_ANYONE:
        return true;
    case WHO_OPERATOR:
        return is_operator;
    case WHO_ORG:
        return is_operator ||
               (is_own_org(request, grant) && (caller->org_permissions & route->permission));
    case WHO_PROJECT:
        return is_operator || (caller->project_permissions & route->permission);
    case WHO_ISSUER:
        return !is_operator && (caller->project_permissions & route->permission);
    case WHO_CREDENTIAL:
        break; /* presented_authorize */
    }
    return false;
}

/* Whole seconds, rounded up: a client that waits so long is let through. */
static uint64_t retry_after_s(const struct request *request) {
    return (request->quota.retry_after_ns + 999999999) / 1000000000;
}

static bool is_address_allowed(struct request *request, const struct policy *policy) {
    uint8_t address[ADDRESS_BYTES];
    struct text peer = text_of(request->peer);
    if (likely(policy->cidr_count == 0))
        return true;
    return (cidr_read_address(peer, address) && policy_allows_address(policy, address)) ||
           error_about(&request->error, ERROR_POLICY_ADDRESS, peer);
}

/* Only the operator names a service, and one that is there. */
static bool is_service_right(struct request *request) {
    if (likely(!names_service(request)) || request->operator_grant != NULL)
        return true;
    if (request->caller.kind != TOKEN_OPERATOR)
        return error_set(&request->error, ERROR_FORBIDDEN,
                         "only the operator token names a service; leave ?service= out");
    return error_set(&request->error, ERROR_NOT_FOUND, "service");
}

int step_authorize(struct request *request) {
    const struct grant *grant = request->grant->grant;
    struct mint *mint = request->mint;
    caller_fix(request, grant);
    if (request->presented != NULL)
        return presented_authorize(request) ? VERDICT_NEXT : STEP_RESPOND;
    usage_take(mint->usage,
               request->operator_grant != NULL ? request->operator_grant : request->grant,
               mint->clock->wall_s, request->peer);
    if (!is_service_right(request) || !is_address_allowed(request, &request->grant->policy))
        return STEP_RESPOND;
    if (!is_allowed(request, grant))
        return forbid(request);
    if (request->is_project_missing)
        return FAIL(request, ERROR_NOT_FOUND, "project");
    return VERDICT_NEXT;
}

/* Limits count what is minted; management is for few. */
int step_quota(struct request *request) {
    struct mint *mint = request->mint;
    const struct policy *policy = request->grant != NULL ? &request->grant->policy : NULL;
    if (likely(policy == NULL || policy->rate_per_s == 0 || request->route->kind != ROUTE_ISSUE))
        return VERDICT_NEXT;
    if (request->grant->quota == NULL)
        request->grant->quota = quota_of(mint->quotas, &request->caller.service_id);
    request->rate_per_s = policy->rate_per_s;
    request->rate_burst = policy->rate_burst;
    struct quota_limit limit = {policy->rate_per_s, policy->rate_burst,
                                quotas_shares(mint->quotas)};
    if (request->credential_count > limit.burst)
        return FAIL(request, ERROR_FIELD_VALUE,
                    "requests must be at most %u, the burst of the service's rate limit",
                    limit.burst);
    bool passes = quota_take(request->grant->quota, &limit, (uint32_t)request->credential_count,
                             mint->clock->monotonic_us * 1000, &request->quota);
    if (request->quota.is_by_share)
        metric_add(mint->metrics, METRIC_QUOTA_BY_SHARE, request->credential_count);
    quota_share(mint, request->grant->quota, &limit);
    if (passes)
        return VERDICT_NEXT;
    return FAIL(request, ERROR_RATE_LIMITED, "%llu", (unsigned long long)retry_after_s(request));
}

/* ---- act, claims, sign ---------------------------------------------------------------------- */

int step_act(struct request *request) {
    switch (request->route->kind) {
    case ROUTE_LOCAL:
        request->route->local(request);
        return STEP_RESPOND;
    case ROUTE_ISSUE:
        return STEP_CLAIMS;
    case ROUTE_READ:
    case ROUTE_WRITE:
        break;
    }
    return STEP_MANAGE;
}

int step_claims(struct request *request) {
    check(request->grant != NULL && request->project != NULL);
    if (!issue_claims(request, request->grant, request->project) || request->explain)
        return STEP_RESPOND;
    return VERDICT_NEXT;
}

/* The batch is signed early when it is full; whose last signature that was is woken. */
int step_sign(struct request *request) {
    struct mint *mint = request->mint;
    for (size_t i = 0; i < request->credential_count; i++)
        request->unsigned_count += !error_is(&request->credentials[i].error);
    if (request->unsigned_count == 0) /* a batch of refusals */
        return step_sign_done(request);
    for (size_t i = 0; i < request->credential_count; i++) {
        if (error_is(&request->credentials[i].error))
            continue;
        if (mint->batch_count == MINT_BATCH_MAX)
            mint_sign_batch(mint);
        mint->batch[mint->batch_count++] = &request->credentials[i];
    }
    return VERDICT_WAIT;
}

int step_sign_done(struct request *request) {
    issue_signed(request);
    return STEP_RESPOND;
}

/* ---- respond -------------------------------------------------------------------------------- */

static void error_headers(struct request *request) {
    switch (error_http_status(request->error.code)) {
    case 401: /* RFC 6750 §3 */
        buffer_put(&request->extra, "WWW-Authenticate: Bearer realm=\"mintd\"");
        if (request->error.code != ERROR_TOKEN_MISSING &&
            request->error.code != ERROR_CREDENTIAL_MISSING)
            buffer_put(&request->extra, ", error=\"invalid_token\"");
        buffer_put(&request->extra, "\r\n");
        break;
    case 429:
        buffer_format(&request->extra, "Retry-After: %llu\r\n",
                      (unsigned long long)retry_after_s(request));
        break;
    case 503:
        buffer_put(&request->extra, "Retry-After: 1\r\n");
        break;
    default:
        break;
    }
}

static void error_answer(struct request *request) {
    size_t size = 2048;
    char *memory = arena_take(&request->arena, size);
    struct buffer out = buffer_over(memory != NULL ? memory : request->mint->scratch, size);
    error_json(&request->error, &out);
    request->status = error_http_status(request->error.code);
    request->reply_body = buffer_text(&out);
    request->content_type = (struct text){0};
    request->cache_control = NULL;
    request->extra.len = 0;
    error_headers(request);
}

/* draft-ietf-httpapi-ratelimit-headers: the burst as quota, the time to fill it as window; and in
 * how many seconds it will be whole again, or where nothing is left the next one passes. */
static void quota_headers(struct request *request) {
    uint32_t window_s = (request->rate_burst + request->rate_per_s - 1) / request->rate_per_s;
    uint64_t used = request->rate_burst - request->quota.remaining;
    uint64_t reset_s = request->quota.retry_after_ns > 0
                           ? retry_after_s(request)
                           : (used + request->rate_per_s - 1) / request->rate_per_s;
    buffer_format(&request->extra, "RateLimit-Policy: \"service\";q=%u;w=%u\r\n",
                  request->rate_burst, window_s);
    buffer_format(&request->extra, "RateLimit: \"service\";r=%u;t=%llu\r\n",
                  request->quota.remaining, (unsigned long long)reset_s);
}

int step_respond(struct request *request) {
    if (request->exchange == NULL)
        return VERDICT_END;
    if (error_is(&request->error))
        error_answer(request);
    if (unlikely(request->rate_per_s != 0))
        quota_headers(request);
    struct http_reply reply = {
        .status = request->status,
        .content_type = request->content_type,
        .body = request->reply_body,
        .request_id = text_of(request->request_id),
        .extra = buffer_text(&request->extra),
        .cache_control = request->cache_control,
        .is_head = request->exchange->request.method == HTTP_HEAD,
    };
    request->mint->ports.reply(request->mint->ports.self, request, &reply);
    request->exchange = NULL;
    return VERDICT_END;
}
