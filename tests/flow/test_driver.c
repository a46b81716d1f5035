/* Whatever happens in whatever order: requests, answers, changes, clocks and failures from a seed,
 * judged by a model. FLOW_SEED and FLOW_STEPS choose another run. */
#include <sys/random.h>

#include "model.h"

#define WORKERS 3
#define CALLS_MAX 48   /* of one worker at a time */
#define WORKED_MAX 256 /* answers on their way */

/* The poll, as the server makes it: asked, read, applied by each worker, then acknowledged. */
enum poll_state { POLL_IDLE, POLL_ASKED, POLL_APPLYING, POLL_TELLING };

struct driver {
    uint64_t seed, random, step;
    struct realm realm;
    struct model model;
    struct rig rigs[WORKERS];
    struct registry_job *worked[WORKERS][WORKED_MAX];
    size_t worked_count[WORKERS];
    enum poll_state poll;
    struct feed feed;
    uint64_t feed_changes; /* what the feed knows of */
    uint64_t feed_epoch, feed_cursor, feed_asked_us;
    unsigned workers_due; /* bits of those that have not applied, or not been told */
    uint64_t statuses[6]; /* replies by hundreds */
    uint64_t minted, left;
};

/* splitmix64 (Steele, Lea and Flood 2014) */
static uint64_t draw(struct driver *driver) {
    uint64_t z = driver->random += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

static bool is_one_in(struct driver *driver, unsigned chances) {
    return draw(driver) % chances == 0;
}

static struct rig *any_rig(struct driver *driver) {
    return &driver->rigs[draw(driver) % WORKERS];
}

static void check_held(struct driver *driver, const char *wrong, const struct call *call) {
    if (wrong == NULL)
        return;
    print_error("seed %llu, step %llu: %s: %s, %u %.300s\n", (unsigned long long)driver->seed,
                (unsigned long long)driver->step, wrong, rig_routes[call->route].name, call->status,
                call->body.at);
    fail();
}

/* ---- requests -------------------------------------------------------------------------------- */

static void on_reply(struct rig *rig, struct call *call) {
    struct driver *driver = rig->user;
    struct note *note = call->user;
    driver->statuses[call->status / 100]++;
    note_decide(&driver->model, note);
    check_held(driver, model_judge(&driver->model, note, call), call);
    driver->minted += call->status == 200 && rig_routes[call->route].kind == ROUTE_ISSUE;
}

static void write_change(struct world *world, const struct request *request) {
    const struct rig *rig = request->mint->ports.self;
    struct driver *driver = rig->user;
    (void)world;
    model_change(&driver->model, draw(driver));
}

static enum rig_route any_route(struct driver *driver) {
    static const enum rig_route routes[] = {BATCH, READ_ORG, WRITE_ORG, LOCAL};
    uint64_t which = draw(driver) % 16;
    return which < array_count(routes) ? routes[which] : ISSUE;
}

/* One of those of late: good ones and such as have ended. */
static const struct bearer *any_bearer(struct driver *driver) {
    struct model *model = &driver->model;
    uint64_t among = model->bearer_count < 24 ? model->bearer_count : 24;
    uint64_t number = model->bearer_count - 1 - draw(driver) % among;
    if (!is_one_in(driver, 4))
        return model->current[draw(driver) % WORLD_SERVICES];
    return &model->bearers[number % MODEL_BEARERS];
}

static struct ask any_ask(struct driver *driver, struct note *note) {
    enum rig_route route = any_route(driver);
    const struct bearer *bearer =
        route == WRITE_ORG ? driver->model.current[OWNER] : any_bearer(driver);
    enum world_project_index project = draw(driver) % 2 == 0 ? SHOP : DEPOT;
    note_begin(&driver->model, note, bearer, project);
    return (struct ask){
        .route = route,
        .method = HTTP_POST,
        .as = bearer->as,
        .authorization = bearer->header,
        .project = project == SHOP ? "shop" : "DEPOT",
        .body = route == BATCH ? TEXT("{\"requests\":[{},{},{}]}") : (struct text){0},
    };
}

static void act_begin(struct driver *driver) {
    struct rig *rig = any_rig(driver);
    struct note note;
    struct ask ask = any_ask(driver, &note);
    unsigned times = is_one_in(driver, 8) ? 3 : 1; /* sent again and again */
    for (; times > 0 && rig->call_count < CALLS_MAX; times--) {
        struct note *own = faults_spare(sizeof(*own));
        *own = note;
        ask.user = own;
        (void)rig_begin(rig, ask);
    }
}

static void act_leave(struct driver *driver) {
    struct rig *rig = any_rig(driver);
    size_t skip = rig->call_count == 0 ? 0 : draw(driver) % rig->call_count;
    struct queue *link = rig->calls.next;
    while (link != &rig->calls && skip-- > 0)
        link = link->next;
    if (link == &rig->calls || container_of(link, struct call, link)->ends > 0)
        return;
    call_leave(container_of(link, struct call, link));
    driver->left++;
}

/* ---- the registry ---------------------------------------------------------------------------- */

static void act_work(struct driver *driver) {
    size_t index = draw(driver) % WORKERS;
    struct rig *rig = &driver->rigs[index];
    if (rig->job_count == 0 || driver->worked_count[index] == WORKED_MAX)
        return;
    if (is_one_in(driver, 4)) /* not the first that came */
        queue_push(&rig->jobs, queue_pop(&rig->jobs));
    struct registry_job *job = rig_take(rig);
    rig_work(rig, job);
    driver->worked[index][driver->worked_count[index]++] = job;
}

static void act_done(struct driver *driver) {
    size_t index = draw(driver) % WORKERS;
    size_t count = driver->worked_count[index];
    if (count == 0)
        return;
    size_t which = draw(driver) % count;
    struct registry_job *job = driver->worked[index][which];
    driver->worked[index][which] = driver->worked[index][count - 1];
    driver->worked_count[index]--;
    job->done(job);
}

static void act_registry(struct driver *driver) {
    struct world *world = &driver->realm.world;
    for (size_t i = 0; i < WORKERS; i++)
        driver->rigs[i].jobs_max = is_one_in(driver, 8) ? 2 : SIZE_MAX;
    world->is_away = is_one_in(driver, 5);
    if (is_one_in(driver, 8))
        model_change_epoch(&driver->model, draw(driver));
    if (is_one_in(driver, 64)) /* more than a feed holds */
        for (unsigned i = 0; i <= FEED_CHANGES_MAX; i++)
            model_change(&driver->model, draw(driver));
}

/* ---- Redis ----------------------------------------------------------------------------------- */

/* Not always what was set last for the key: what was there before, what belongs elsewhere, what
 * somebody has put there, nothing, or no answer. */
static struct redis_reply any_redis_reply(struct driver *driver, const struct shared_key *key) {
    const struct fake_redis *redis = &driver->realm.redis;
    const struct fake_entry *newest = fake_redis_find(redis, key);
    const struct fake_entry *other = &redis->entries[draw(driver) % FAKE_ENTRIES_MAX];
    unsigned chance = (unsigned)(draw(driver) % 16);
    if (chance == 0)
        return (struct redis_reply){.answer = REDIS_AWAY};
    if (chance == 1)
        return (struct redis_reply){.answer = REDIS_REFUSED, .bytes = TEXT("OOM")};
    for (size_t i = 0; chance < 8 && i < FAKE_ENTRIES_MAX; i++) { /* any of those for the key */
        const struct fake_entry *old = &redis->entries[draw(driver) % FAKE_ENTRIES_MAX];
        if (old->key.len == key->len && memcmp(old->key.at, key->at, key->len) == 0)
            return (struct redis_reply){.answer = REDIS_BYTES, .bytes = old->value};
    }
    if (chance == 8 && other->value.at != NULL)
        return (struct redis_reply){.answer = REDIS_BYTES, .bytes = other->value};
    if (chance == 9 || newest == NULL)
        return (struct redis_reply){.answer = REDIS_NIL};
    return (struct redis_reply){.answer = REDIS_BYTES, .bytes = newest->value};
}

/* One of the questions that wait is answered, in any order, perhaps late. */
static void act_redis(struct driver *driver) {
    struct rig *rig = any_rig(driver);
    if (rig->redis.count == 0)
        return;
    size_t index = draw(driver) % rig->redis.count;
    struct redis_reply reply = any_redis_reply(driver, &rig->redis.questions[index].key);
    if (reply.answer == REDIS_BYTES && is_one_in(driver, 16) && reply.bytes.len > 0) {
        char forged[4096];
        size_t len = reply.bytes.len < sizeof(forged) ? reply.bytes.len : sizeof(forged);
        memcpy(forged, reply.bytes.at, len);
        forged[draw(driver) % len] ^= (char)(1 << draw(driver) % 8);
        reply.bytes = (struct text){forged, len};
        fake_link_answer(&rig->redis, index, &reply);
        return;
    }
    fake_link_answer(&rig->redis, index, &reply);
}

/* It goes away for one, comes back for another, or takes nothing more. */
static void act_redis_state(struct driver *driver) {
    any_rig(driver)->redis.is_away = is_one_in(driver, 4);
    driver->realm.redis.is_full = is_one_in(driver, 8);
}

/* ---- the poll -------------------------------------------------------------------------------- */

static void poll_read(struct driver *driver) {
    struct session session = {.world = &driver->realm.world};
    struct error error;
    driver->poll = POLL_IDLE;
    const struct place from = {driver->feed_epoch, driver->feed_cursor, 0};
    if (!store_feed(&session, &from, &driver->feed, &error))
        return;
    driver->feed_changes = driver->model.changes;
    driver->workers_due = (1U << WORKERS) - 1;
    driver->poll = POLL_APPLYING;
}

static void poll_applied(struct driver *driver) {
    driver->feed_epoch = driver->feed.epoch;
    driver->feed_cursor = driver->feed.seq;
    driver->model.acknowledged = driver->feed_changes;
    driver->workers_due = (1U << WORKERS) - 1;
    driver->poll = POLL_TELLING;
}

static void act_poll(struct driver *driver) {
    unsigned worker = (unsigned)(draw(driver) % WORKERS);
    struct rig *rig = &driver->rigs[worker];
    switch (driver->poll) {
    case POLL_IDLE:
        driver->feed_asked_us = driver->realm.clock.monotonic_us;
        driver->poll = POLL_ASKED;
        break;
    case POLL_ASKED:
        poll_read(driver);
        break;
    case POLL_APPLYING:
        rig_apply(rig, &driver->feed, driver->feed_asked_us); /* perhaps a second time */
        driver->workers_due &= ~(1U << worker);
        if (driver->workers_due == 0)
            poll_applied(driver);
        break;
    case POLL_TELLING:
        if (driver->workers_due & 1U << worker)
            mint_acknowledged(&rig->mint, driver->feed_epoch, driver->feed_cursor);
        driver->workers_due &= ~(1U << worker);
        if (driver->workers_due == 0)
            driver->poll = POLL_IDLE;
        break;
    }
}

/* ---- time ------------------------------------------------------------------------------------ */

static void act_time(struct driver *driver) {
    struct clock *clock = &driver->realm.clock;
    uint64_t most_us = is_one_in(driver, 64)  ? 2 * RIG_LEASE_US
                       : is_one_in(driver, 8) ? 1000000
                                              : 20000;
    uint64_t us = draw(driver) % most_us;
    clock->monotonic_us += us;
    clock->wall_s += (int64_t)(us / 1000000);
    if (is_one_in(driver, 16)) /* the calendar jumps */
        clock->wall_s += (int64_t)(draw(driver) % 240) - 120;
}

static void act_tick(struct driver *driver) {
    mint_tick(&any_rig(driver)->mint);
}

static void act_turn(struct driver *driver) {
    rig_turn(any_rig(driver));
}

static void act_change(struct driver *driver) {
    model_change(&driver->model, draw(driver));
}

/* ---- the run --------------------------------------------------------------------------------- */

static const struct action {
    void (*act)(struct driver *driver);
    unsigned weight;
} actions[] = {
    {act_begin, 220}, {act_work, 200},   {act_done, 200},  {act_turn, 250},
    {act_leave, 20},  {act_poll, 100},   {act_time, 60},   {act_tick, 20},
    {act_change, 8},  {act_registry, 4}, {act_redis, 250}, {act_redis_state, 4},
};

static const struct action *any_action(struct driver *driver) {
    unsigned total = 0;
    for (size_t i = 0; i < array_count(actions); i++)
        total += actions[i].weight;
    uint64_t at = draw(driver) % total;
    const struct action *action = actions;
    for (; at >= action->weight; action++)
        at -= action->weight;
    return action;
}

/* Notes what has been decided, and forgets what has ended. */
static void calls_sweep(struct driver *driver, struct rig *rig) {
    for (struct queue *link = rig->calls.next, *next; link != &rig->calls; link = next) {
        struct call *call = container_of(link, struct call, link);
        next = link->next;
        if (call->ends > 0) {
            call_free(call);
            continue;
        }
        const struct request *request = call->exchange.user;
        if (request->step == STEP_SIGN)
            note_decide(&driver->model, call->user);
    }
}

static void driver_step(struct driver *driver) {
    const struct action *action = any_action(driver);
    if (is_one_in(driver, 200)) /* memory is short for a moment */
        faults_arm(1 + draw(driver) % 4, is_one_in(driver, 2));
    action->act(driver);
    (void)faults_disarm();
    for (size_t i = 0; i < WORKERS; i++)
        calls_sweep(driver, &driver->rigs[i]);
    driver->step++;
}

/* Everything that is under way comes to its end, and nothing is left. */
static void driver_drain(struct driver *driver) {
    driver->realm.world.is_away = false;
    while (driver->poll != POLL_IDLE)
        act_poll(driver);
    for (size_t i = 0; i < WORKERS; i++) {
        struct rig *rig = &driver->rigs[i];
        for (unsigned rounds = 0; rounds < 8; rounds++) {
            rig_redis(rig);
            while (driver->worked_count[i] > 0) {
                struct registry_job *job = driver->worked[i][--driver->worked_count[i]];
                job->done(job);
            }
            rig_answer(rig);
        }
        rig_wait(rig, RIG_ACKNOWLEDGE_US);
        calls_sweep(driver, rig);
        assert_int_equal(rig->call_count, 0);
        assert_true(rig_is_idle(rig));
    }
}

static void driver_open(struct driver *driver, uint64_t seed) {
    memset(driver, 0, sizeof(*driver));
    driver->seed = driver->random = seed;
    assert_true(realm_open(&driver->realm));
    model_open(&driver->model, &driver->realm);
    for (size_t i = 0; i < WORKERS; i++) {
        struct rig *rig = &driver->rigs[i];
        assert_true(rig_open(rig, &driver->realm) && rig_share(rig));
        rig->on_reply = on_reply;
        rig->work_change = write_change;
        rig->user = driver;
    }
    driver->rigs[1].cache.options.entries_max = 6;
    driver->rigs[2].mint.settings.in_flight_max = 40;
    driver->feed_epoch = driver->realm.world.epoch;
    driver->feed_cursor = driver->realm.world.seq;
}

static void driver_close(struct driver *driver) {
    for (size_t i = 0; i < WORKERS; i++)
        rig_close(&driver->rigs[i]);
    realm_close(&driver->realm);
}

static uint64_t setting(const char *name, uint64_t otherwise) {
    const char *value = getenv(name);
    return value != NULL ? strtoull(value, NULL, 10) : otherwise;
}

static void test_driver(void **state) {
    static struct driver driver;
    uint64_t seed = 0;
    (void)state;
    if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
        fail();
    driver_open(&driver, setting("FLOW_SEED", seed));
    uint64_t steps = setting("FLOW_STEPS", 300000);
    print_message("FLOW_SEED=%llu FLOW_STEPS=%llu\n", (unsigned long long)driver.seed,
                  (unsigned long long)steps);
    while (driver.step < steps) {
        driver_step(&driver);
        if (driver.step % 8192 == 0 || driver.step == steps)
            driver_drain(&driver);
    }
    print_message(
        "%llu minted, %llu good, %llu refused, %llu in trouble, %llu left, %llu changes\n",
        (unsigned long long)driver.minted, (unsigned long long)driver.statuses[2],
        (unsigned long long)driver.statuses[4], (unsigned long long)driver.statuses[5],
        (unsigned long long)driver.left, (unsigned long long)driver.model.changes);
    uint64_t hits = 0, refused = 0;
    for (size_t i = 0; i < WORKERS; i++) {
        hits += rig_metric(&driver.rigs[i], METRIC_L2_HITS);
        refused += rig_metric(&driver.rigs[i], METRIC_L2_REFUSED);
    }
    print_message("%llu found in Redis, %llu refused from there\n", (unsigned long long)hits,
                  (unsigned long long)refused);
    assert_true(driver.minted > steps / 50);
    assert_true(hits > steps / 1000 && refused > steps / 1000);
    driver_close(&driver);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_driver)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
