/* A mint with everything around it faked: time, registry, connections; and clients that call it. */
#include "rig.h"

#include "server/handlers.h"

/* ---- what the workers share ------------------------------------------------------------------ */

static bool keyring_make(struct realm *realm) {
    struct key_record record;
    struct error error;
    return master_key_read_text(
               TEXT("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"),
               &realm->master, &error) &&
           key_create(realm->master, KEY_ACTIVE, 1700000000, &record, &error) &&
           keyring_open(realm->master, &record, 1, &realm->keyring, &error);
}

bool realm_open(struct realm *realm) {
    realm->clock = (struct clock){.monotonic_us = 1000000000, .wall_s = 1700000000};
    if (!token_start() || !random_open(&realm->random) || !keyring_make(realm) ||
        !quotas_open(&realm->quotas, NULL))
        return false;
    world_open(&realm->world, &realm->random);
    return true;
}

void realm_close(struct realm *realm) {
    quotas_close(&realm->quotas);
    keyring_release(realm->keyring);
    master_key_close(realm->master);
    fake_redis_close(&realm->redis);
    random_close(&realm->random);
}

struct text realm_token(const struct realm *realm, enum world_service_index as, char *memory,
                        size_t size) {
    struct buffer out = buffer_over(memory, size);
    service_token_write(&realm->world.tokens[as].token, TEXT("mint"), &out);
    check(!out.overflow);
    return buffer_text(&out);
}

/* ---- routes ---------------------------------------------------------------------------------- */

/* Says what it will, and finds then whether there is the memory for it. */
static void local_answer(struct request *request) {
    request->cache_control = "public";
    buffer_put(&request->extra, "X-Local: 1\r\n");
    if (request_take(request, REQUEST_BYTES) != NULL)
        request->reply_body = TEXT("{\"local\":true}");
}

static bool work_read(struct request *request, struct session *session) {
    const struct rig *rig = request->mint->ports.self;
    (void)session;
    if (rig->work_error != ERROR_NONE)
        return error_set(&request->work_error, rig->work_error, "the work");
    for (size_t left = rig->work_answer_bytes; left > 0; left--) {
        struct buffer *out = request_out(request, 1);
        if (out == NULL)
            return false;
        buffer_byte(out, left == 1 ? '}' : request->out.len == 0 ? '{' : ' ');
    }
    return true;
}

static bool work_write(struct request *request, struct session *session) {
    const struct rig *rig = request->mint->ports.self;
    if (rig->work_error == ERROR_NONE && rig->work_change != NULL) {
        rig->work_change(session->world, request);
        request->seq = session->world->seq;
    }
    return work_read(request, session);
}

#define MINTS(route_name, reads, route_form, takes) \
    { \
        .name = route_name, .method = HTTP_POST, .who = WHO_ISSUER, \
        .permission = PERMISSION_ISSUE, .kind = ROUTE_ISSUE, .query = takes, .form = route_form, \
        .parse = reads \
    }
#define MANAGES(route_name, for_whom, needs, route_kind, does) \
    { \
        .name = route_name, .who = for_whom, .permission = needs, .kind = route_kind, \
        .query = QUERY_AUDIT, .work = does \
    }
const struct route rig_routes[RIG_ROUTES] = {
    [ISSUE] = MINTS("issue", issue_parse, ISSUE_CREDENTIAL, QUERY_ISSUE),
    [BATCH] = MINTS("batch", issue_parse_batch, ISSUE_BATCH, QUERY_SERVICE),
    [IFRAME] = MINTS("iframe", issue_parse_iframe, ISSUE_IFRAME, QUERY_ISSUE),
    [LOCAL] = {.name = "local", .who = WHO_NOBODY, .kind = ROUTE_LOCAL, .local = local_answer},
    [LOCAL_ANYONE] = {.name = "any", .who = WHO_ANYONE, .kind = ROUTE_LOCAL, .local = local_answer},
    [READ_ORG] = MANAGES("read", WHO_ORG, PERMISSION_READ_ORG, ROUTE_READ, work_read),
    [READ_PROJECT] =
        MANAGES("read.project", WHO_PROJECT, PERMISSION_READ_PROJECT, ROUTE_READ, work_read),
    [WRITE_ORG] = MANAGES("write", WHO_ORG, PERMISSION_MANAGE_ORG, ROUTE_WRITE, work_write),
    [READ_OPERATOR] = MANAGES("operator", WHO_OPERATOR, 0, ROUTE_READ, work_read),
    [VERIFY] = {.name = "verify",
                .method = HTTP_ANY,
                .who = WHO_CREDENTIAL,
                .kind = ROUTE_LOCAL,
                .query = QUERY_VERIFY,
                .local = local_verify},
    [INTROSPECT] = {.name = "introspect",
                    .method = HTTP_POST,
                    .who = WHO_ANYONE,
                    .kind = ROUTE_READ,
                    .query = QUERY_FORM,
                    .parse = introspect_parse,
                    .work = introspect},
};

/* ---- ports ----------------------------------------------------------------------------------- */

static bool port_submit(void *self, struct registry_job *job) {
    struct rig *rig = self;
    if (rig->job_count == rig->jobs_max)
        return false;
    rig->job_count++;
    queue_push(&rig->jobs, &job->link);
    return true;
}

static void port_poll(void *self) {
    struct rig *rig = self;
    rig->polls_wanted++;
}

static void port_receipt(void *self, struct request *request) {
    (void)self;
    if (request_out(request, 64) != NULL)
        buffer_put(&request->out, request->out.len > 1 ? ",\"applied\":{}" : "\"applied\":{}");
}

static bool port_ask_shared(void *self, struct redis_command *command,
                            const struct shared_key *key) {
    struct rig *rig = self;
    /* Without a lease nothing could be done with the answer. */
    check(freshness_left_us(&rig->freshness, rig->realm->clock.monotonic_us) > 0);
    return fake_link_ask(&rig->redis, &(struct fake_question){.command = command, .key = *key});
}

static void port_tell_shared(void *self, const struct shared_key *key, struct text value,
                             uint32_t ttl_s) {
    struct rig *rig = self;
    check(ttl_s > 0 && ttl_s <= RIG_SHARED_TTL_S);
    fake_link_tell(&rig->redis, key, value);
}

static bool port_ask_quota(void *self, struct quota *quota) {
    struct rig *rig = self;
    return fake_link_ask(&rig->redis,
                         &(struct fake_question){.command = &quota->command, .quota = quota});
}

static struct text text_keep(struct text text) {
    char *copy = faults_spare(text.len + 1);
    if (text.len > 0)
        memcpy(copy, text.at, text.len);
    copy[text.len] = '\0';
    return (struct text){copy, text.len};
}

/* What the mint was given is gone: a later look at it is seen. */
static void call_end(struct call *call) {
    call->ends++;
    memset(&call->exchange, 0xDD, sizeof(call->exchange));
    free(call->sent);
    call->sent = NULL;
}

static void call_answer(struct call *call, unsigned status, struct text body, struct text extra) {
    check(call->ends == 0);
    call->status = status;
    call->body = text_keep(body);
    call->extra = text_keep(extra);
    call_end(call);
}

static void port_reply(void *self, struct request *request, const struct http_reply *reply) {
    struct rig *rig = self;
    struct call *call = container_of(request->exchange, struct call, exchange);
    check(reply->request_id.len <= REQUEST_ID_CHARS);
    memcpy(call->request_id, reply->request_id.at, reply->request_id.len);
    memcpy(call->used_peer, request->peer, sizeof(call->used_peer));
    call->error = request->error.code;
    call->seq = request->seq;
    call->cache_control = reply->cache_control;
    call_answer(call, reply->status, reply->body, reply->extra);
    if (rig->on_reply != NULL)
        rig->on_reply(rig, call);
}

static void port_refuse(void *self, struct exchange *exchange, const struct error *error) {
    struct call *call = container_of(exchange, struct call, exchange);
    char memory[1024];
    struct buffer body = buffer_over(memory, sizeof(memory));
    (void)self;
    error_json(error, &body);
    call->error = error->code;
    call_answer(call, error_http_status(error->code), buffer_text(&body),
                TEXT("Retry-After: 1\r\n"));
}

/* The tests have no connections: here is the peer of a call. */
void conn_peer(const struct conn *conn, char ret_address[static CONN_ADDRESS_CHARS]) {
    memcpy(ret_address, ((const struct call *)(const void *)conn)->peer, CONN_ADDRESS_CHARS);
}

/* ---- open, close ----------------------------------------------------------------------------- */

static bool parts_open(struct rig *rig) {
    const struct hash_key key = {1, 2};
    const struct cache_options options = {.entries_max = 1000,
                                          .bytes_max = 1 << 24,
                                          .unknown_max = 64,
                                          .unknown_us = RIG_UNKNOWN_US,
                                          .issuer = TEXT(RIG_ISSUER)};
    usage_open(&rig->usage);
    return freshness_open(&rig->freshness, RIG_LEASE_US, &key) &&
           cache_open(&rig->cache, &options, &key) && mint_open(&rig->mint);
}

bool rig_open(struct rig *rig, struct realm *realm) {
    *rig = (struct rig){.realm = realm, .jobs_max = SIZE_MAX, .work_answer_bytes = 2};
    queue_init(&rig->jobs);
    queue_init(&rig->calls);
    rig->mint = (struct mint){
        .ports = {.self = rig,
                  .submit = port_submit,
                  .reply = port_reply,
                  .refuse = port_refuse,
                  .poll = port_poll,
                  .receipt = port_receipt,
                  .ask_shared = port_ask_shared,
                  .tell_shared = port_tell_shared,
                  .ask_quota = port_ask_quota},
        .settings = {.brand = TEXT("mint"),
                     .default_ttl_s = 3600,
                     .max_ttl_s = 86400,
                     .not_before_skew_s = 5,
                     .max_token_bytes = 4096,
                     .attributes_bytes_max = 16384,
                     .in_flight_max = 10000,
                     .registry_us = RIG_REGISTRY_US,
                     .acknowledge_us = RIG_ACKNOWLEDGE_US},
        .clock = &realm->clock,
        .cache = &rig->cache,
        .freshness = &rig->freshness,
        .usage = &rig->usage,
        .quotas = &realm->quotas,
        .keyring = realm->keyring,
        .random = &realm->random,
        .metrics = &rig->metrics,
    };
    return parts_open(rig) && rig_poll(rig);
}

bool rig_share(struct rig *rig) {
    const struct shared_options options = {.prefix = TEXT("mintd:"),
                                           .master = rig->realm->master,
                                           .random = &rig->realm->random,
                                           .ttl_s = RIG_SHARED_TTL_S};
    rig->redis.redis = &rig->realm->redis;
    if (!shared_open(&rig->shared, &options))
        return false;
    rig->mint.shared = &rig->shared;
    return true;
}

bool rig_is_idle(const struct rig *rig) {
    const struct mint *mint = &rig->mint;
    bool is_idle = mint->requests.count == 0 && mint->flights.count == 0 && mint->in_flight == 0 &&
                   mint->batch_count == 0 && queue_is_empty(&mint->woken);
    for (size_t i = 0; i < STEP_COUNT; i++)
        is_idle &= queue_is_empty(&mint->waiting[i]);
    return is_idle;
}

void rig_close(struct rig *rig) {
    check(rig->job_count == 0 && rig->redis.count == 0);
    for (struct queue *link = rig->calls.next, *next; link != &rig->calls; link = next) {
        next = link->next;
        call_free(container_of(link, struct call, link));
    }
    if (rig->mint.scratch != NULL) {
        check(rig_is_idle(rig));
        mint_close(&rig->mint);
    }
    shared_close(&rig->shared);
    cache_close(&rig->cache);
    usage_close(&rig->usage);
    freshness_close(&rig->freshness);
}

struct pair {
    struct rig rig;
    struct realm realm;
};

int rig_setup(void **state) {
    struct pair *pair = calloc(1, sizeof(*pair));
    check(pair != NULL && realm_open(&pair->realm) && rig_open(&pair->rig, &pair->realm));
    *state = &pair->rig;
    return 0;
}

int rig_teardown(void **state) {
    struct pair *pair = container_of(*state, struct pair, rig);
    rig_close(&pair->rig);
    realm_close(&pair->realm);
    free(pair);
    return 0;
}

/* ---- clients --------------------------------------------------------------------------------- */

static void header_set(struct http_request *request, enum http_header header, const char *value,
                       struct buffer *sent) {
    if (value == NULL)
        return;
    size_t start = sent->len;
    buffer_put(sent, value);
    request->headers[header] = (struct text){sent->at + start, sent->len - start};
}

static struct text string_add(struct buffer *sent, const char *value) {
    size_t start = sent->len;
    buffer_put(sent, value != NULL ? value : "");
    return (struct text){sent->at + start, sent->len - start};
}

/* Everything the request says stands in one block, which goes when the exchange does. */
static void request_fill(const struct realm *realm, const struct ask *ask, struct buffer *sent,
                         struct http_request *request) {
    bool is_get = ask->method == HTTP_GET && rig_routes[ask->route].method == HTTP_POST;
    char bearer[256] = "Bearer ";
    realm_token(realm, ask->as, bearer + 7, sizeof(bearer) - 7);
    request->method = is_get ? HTTP_POST : ask->method;
    request->query = string_add(sent, ask->query);
    if (!ask->is_anonymous)
        header_set(request, HTTP_HEADER_AUTHORIZATION,
                   ask->authorization != NULL ? ask->authorization : bearer, sent);
    header_set(request, HTTP_HEADER_CONTENT_TYPE, ask->content_type, sent);
    header_set(request, HTTP_HEADER_REQUEST_ID, ask->request_id, sent);
    header_set(request, HTTP_HEADER_FORWARDED_FOR, ask->forwarded_for, sent);
    request->body = (struct text){sent->at + sent->len, ask->body.len};
    buffer_add(sent, ask->body);
    check(!sent->overflow);
}

/* The parts of the path stand on the stack of whoever routes. */
static void params_fill(const struct ask *ask, struct buffer *memory, struct text *params) {
    bool has_project = rig_routes[ask->route].kind == ROUTE_ISSUE || ask->route == READ_PROJECT;
    bool has_org = ask->route != VERIFY && ask->route != INTROSPECT;
    const char *project = ask->project != NULL ? ask->project : has_project ? "shop" : "";
    params[PARAM_ORG] = string_add(memory, ask->org != NULL ? ask->org : has_org ? "acme" : "");
    params[PARAM_PROJECT] = string_add(memory, project);
    params[PARAM_SERVICE] = (struct text){0};
    params[PARAM_ID] = string_add(memory, ask->id);
    params[PARAM_KEY] = (struct text){0};
}

struct call *rig_begin(struct rig *rig, struct ask ask) {
    struct call *call = faults_spare(sizeof(*call));
    size_t size = ask.body.len + 65536;
    *call = (struct call){
        .rig = rig, .route = ask.route, .as = ask.as, .sent = faults_spare(size), .user = ask.user};
    queue_push(&rig->calls, &call->link);
    rig->call_count++;
    (void)snprintf(call->peer, sizeof(call->peer), "%s", ask.peer != NULL ? ask.peer : "192.0.2.7");
    call->exchange.conn = (struct conn *)(void *)call;
    struct buffer sent = buffer_over(call->sent, size);
    request_fill(rig->realm, &ask, &sent, &call->exchange.request);
    struct text params[PARAM_COUNT];
    struct buffer memory = buffer_over(faults_spare(512), 512);
    params_fill(&ask, &memory, params);
    mint_begin(&rig->mint, &call->exchange, &rig_routes[ask.route], params);
    free(memory.at);
    return call;
}

struct call *rig_ask(struct rig *rig, struct ask ask) {
    struct call *call = rig_begin(rig, ask);
    rig_turn(rig);
    return call;
}

struct call *rig_get(struct rig *rig, struct ask ask) {
    struct call *call = rig_ask(rig, ask);
    while (call->ends == 0 && rig_redis(rig) + rig_answer(rig) > 0)
        if (rig->polls_wanted > 0 && rig_poll(rig))
            rig_turn(rig);
    return call;
}

void call_leave(struct call *call) {
    struct request *request = call->exchange.user;
    check(call->ends == 0);
    mint_gone(&call->rig->mint, request);
    call_end(call);
}

void call_free(struct call *call) {
    check(call->ends == 1);
    queue_remove(&call->link);
    call->rig->call_count--;
    free((char *)call->body.at);
    free((char *)call->extra.at);
    free(call->user);
    free(call);
}

/* ---- time and the registry ------------------------------------------------------------------- */

void rig_turn(struct rig *rig) {
    mint_turn_end(&rig->mint);
}

void rig_wait(struct rig *rig, uint64_t us) {
    rig->realm->clock.monotonic_us += us;
    rig->realm->clock.wall_s += (int64_t)(us / 1000000);
    mint_tick(&rig->mint);
    rig_turn(rig);
}

struct registry_job *rig_take(struct rig *rig) {
    struct queue *link = queue_pop(&rig->jobs);
    if (link == NULL)
        return NULL;
    rig->job_count--;
    return container_of(link, struct registry_job, link);
}

void rig_work(struct rig *rig, struct registry_job *job) {
    struct session session = {.world = &rig->realm->world};
    job->work(job, &session);
}

size_t rig_answer(struct rig *rig) {
    size_t count = 0;
    for (struct registry_job *job; (job = rig_take(rig)) != NULL; count++) {
        rig_work(rig, job);
        job->done(job);
    }
    rig_turn(rig);
    return count;
}

size_t rig_redis(struct rig *rig) {
    size_t count = fake_link_answer_all(&rig->redis);
    rig_turn(rig);
    return count;
}

void rig_redis_with(struct rig *rig, const struct redis_reply *reply) {
    fake_link_answer(&rig->redis, 0, reply);
    rig_turn(rig);
}

void rig_apply(struct rig *rig, const struct feed *feed, uint64_t asked_us) {
    bool has_moved = rig->freshness.cursor != feed->seq;
    const struct look look = {asked_us, UINT64_MAX}; /* nobody strikes it off */
    if (freshness_apply(&rig->freshness, feed, &look))
        cache_clear(&rig->cache);
    else if (has_moved)
        cache_unknown_clear(&rig->cache);
}

bool rig_poll(struct rig *rig) {
    struct session session = {.world = &rig->realm->world};
    struct feed feed;
    struct error error;
    rig->polls_wanted = 0;
    const struct place from = {rig->freshness.epoch, rig->freshness.cursor, 0};
    if (!store_feed(&session, &from, &feed, &error))
        return false;
    rig_apply(rig, &feed, rig->realm->clock.monotonic_us);
    mint_acknowledged(&rig->mint, feed.epoch, feed.seq);
    return true;
}

uint64_t rig_metric(const struct rig *rig, enum metric metric) {
    return counter_get(&rig->metrics.values[metric]);
}

/* ---- what was answered ----------------------------------------------------------------------- */

void assert_reply_is(const struct call *call, unsigned status, enum error_code code,
                     const char *file, int line) {
    if (call->ends == 1 && call->status == status && call->error == code)
        return;
    print_error("%u ends, status %u, error %s, wanted %u, %s: %.400s\n", call->ends, call->status,
                error_name(call->error), status, error_name(code),
                call->body.at != NULL ? call->body.at : "");
    _fail(file, line);
}

void assert_has_is(struct text text, const char *part, bool has, const char *file, int line) {
    if ((text.len > 0 && memmem(text.at, text.len, part, strlen(part)) != NULL) == has)
        return;
    print_error("%s in the text that should%s be there: %.*s\n", part, has ? "" : " not",
                (int)(text.len < 1000 ? text.len : 1000), text.at);
    _fail(file, line);
}
