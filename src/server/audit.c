/* The audit record: shown, and refusals noted in it. */
#include "server/audit.h"

#include <stdlib.h>

#include "server/answer.h"
#include "server/handlers.h"
#include "server/server.h"

/* ---- shown ----------------------------------------------------------------------------------- */

/* A page may end before page_size: rows hold attributes, which are up to 16 KiB each. */
#define PAGE_BYTES_MAX ((size_t)512 * 1024)

/* A page's token is the id of its last row. */
struct audit_page {
    struct request *request;
    uint64_t before_id; /* 0: from the newest */
    uint64_t last_id;
    uint32_t limit;
    uint32_t count;
    bool has_more;
};

static bool audit_page_open(struct request *request, struct audit_page *ret_page) {
    struct text token = request->page_token;
    *ret_page = (struct audit_page){
        .request = request,
        .limit = request->page_size != 0 ? request->page_size : PAGE_SIZE_DEFAULT,
    };
    return token.len == 0 ||
           (text_number(token, INT64_MAX, &ret_page->before_id) && ret_page->before_id > 0) ||
           error_set(&request->work_error, ERROR_QUERY_VALUE, "page_token");
}

/* JSON that the store made, or null. */
static void json_write_or_null(struct buffer *out, const char *key, struct text json) {
    answer_raw(out, key, json.len > 0 ? json : TEXT("null"));
}

static void org_id_write(struct buffer *out, const struct uuid *id) {
    if (uuid_equal(id, &(struct uuid){0}))
        answer_text(out, "orgId", TEXT(""));
    else
        answer_uuid(out, "orgId", id);
}

static void hash_write(struct buffer *out, const uint8_t hash[static 32]) {
    answer_key(out, "hash");
    buffer_byte(out, '"');
    buffer_hex(out, hash, 32);
    buffer_byte(out, '"');
}

/* Everything that the hash covers, so that whoever reads all rows can follow the chain. */
static bool audit_each(void *self, const struct audit_row *row) {
    struct audit_page *page = self;
    const struct text texts[] = {row->actor_name, row->address, row->request_id, row->action,
                                 row->target,     row->before,  row->after};
    page->has_more = page->count == page->limit || page->request->out.len > PAGE_BYTES_MAX;
    struct buffer *out =
        page->has_more ? NULL : request_out(page->request, answer_room(texts, array_count(texts)));
    if (out == NULL)
        return false;
    answer_key(out, NULL);
    buffer_byte(out, '{');
    answer_number(out, "id", row->id);
    answer_number(out, "seq", row->seq);
    answer_time(out, "createdOn", row->at_s);
    org_id_write(out, &row->org_id);
    answer_text(out, "actorKind", row->actor_kind);
    answer_text(out, "actorId", row->actor_id);
    answer_text(out, "actorName", row->actor_name);
    answer_text(out, "address", row->address);
    answer_text(out, "requestId", row->request_id);
    answer_text(out, "action", row->action);
    answer_text(out, "target", row->target);
    json_write_or_null(out, "before", row->before);
    json_write_or_null(out, "after", row->after);
    hash_write(out, row->hash);
    buffer_byte(out, '}');
    page->last_id = row->id;
    page->count++;
    return true;
}

static bool audit_page_end(struct audit_page *page) {
    struct buffer *out = request_out(page->request, ANSWER_ROW_BYTES);
    if (out == NULL || error_is(&page->request->work_error))
        return false;
    buffer_byte(out, ']');
    answer_key(out, "nextPageToken");
    buffer_byte(out, '"');
    if (page->has_more)
        buffer_number(out, page->last_id);
    buffer_add(out, TEXT("\"}"));
    return true;
}

/* Whose rows: of the org that the query names, of the caller's own, or the operator's: all. */
static bool audit_org(struct request *request, struct session *session, struct uuid *org_id,
                      const struct uuid **ret_org_id) {
    struct text name = request->params[PARAM_ORG];
    *ret_org_id = org_id;
    if (request->caller.kind == TOKEN_SERVICE)
        *org_id = request->caller.org_id;
    else if (name.len == 0)
        *ret_org_id = NULL;
    else
        return store_org_id(session, name, org_id, &request->work_error);
    return true;
}

bool audit_list(struct request *request, struct session *session) {
    struct audit_page page;
    struct uuid org_memory;
    const struct uuid *org_id;
    struct buffer *out = request_out(request, ANSWER_ROW_BYTES);
    if (out == NULL || !audit_page_open(request, &page) ||
        !audit_org(request, session, &org_memory, &org_id))
        return false;
    buffer_add(out, TEXT("{\"auditRecords\":["));
    return store_audit_list(session, org_id, page.before_id, page.limit + 1, audit_each, &page,
                            &request->work_error) &&
           audit_page_end(&page);
}

/* ---- refusals -------------------------------------------------------------------------------- */

/* What was tried, cut where it is long. */
#define TARGET_BYTES_MAX 256

/* A refusal on its way to the registry; nobody waits for it. */
struct refusal {
    struct registry_job job;
    struct worker *worker;
    struct actor actor;
    struct uuid org_id;
    struct text target;
    char memory[]; /* what the texts of actor and target point into */
};

/* On the registry's writer. One that cannot be written is told by the log alone. */
static void refusal_work(struct registry_job *job, struct session *session) {
    struct refusal *refusal = container_of(job, struct refusal, job);
    bool has_org = !uuid_equal(&refusal->org_id, &(struct uuid){0});
    struct error error;
    (void)!store_audit_note(session, &refusal->actor, has_org ? &refusal->org_id : NULL,
                            refusal->target, &error);
}

static void refusal_done(struct registry_job *job) {
    struct refusal *refusal = container_of(job, struct refusal, job);
    refusal->worker->refusals_writing--;
    free(refusal);
}

static char *text_keep(struct text *text, char *at) {
    if (text->len > 0)
        memcpy(at, text->at, text->len);
    text->at = at;
    return at + text->len;
}

/* NULL when memory is out. */
static struct refusal *refusal_make(struct worker *worker, struct request *request) {
    struct actor *actor = &request->actor;
    char target_memory[TARGET_BYTES_MAX];
    struct buffer target = buffer_over(target_memory, sizeof(target_memory));
    struct text path = request->exchange->request.path;
    request_actor_fix(request);
    buffer_put(&target, "refused: ");
    if (path.len > target.size - target.len)
        path.len = target.size - target.len;
    buffer_add(&target, path);
    struct refusal *refusal = malloc(sizeof(*refusal) + actor->name.len + actor->address.len +
                                     actor->request_id.len + target.len);
    if (refusal == NULL)
        return NULL;
    *refusal = (struct refusal){
        .job = {.is_write = true, .work = refusal_work, .done = refusal_done, .loop = worker->loop},
        .worker = worker,
        .actor = *actor,
        .org_id = request->caller.org_id,
        .target = buffer_text(&target),
    };
    char *at = text_keep(&refusal->actor.name, refusal->memory);
    at = text_keep(&refusal->actor.address, at);
    at = text_keep(&refusal->actor.request_id, at);
    (void)text_keep(&refusal->target, at);
    return refusal;
}

void audit_refusal(struct worker *worker, struct request *request) {
    static const struct quota_limit limit = {AUDIT_REFUSALS_PER_S, AUDIT_REFUSALS_BURST, 1};
    struct server *server = worker->server;
    struct quota_state state;
    uint64_t now_ns = worker->mint.clock->monotonic_us * 1000;
    struct refusal *refusal = NULL;
    if (quota_take(&server->refusals, &limit, 1, now_ns, &state))
        refusal = refusal_make(worker, request);
    if (refusal != NULL && registry_submit(server->options.registry, &refusal->job)) {
        worker->refusals_writing++;
        return;
    }
    free(refusal);
    metric_add(&worker->metrics, METRIC_REFUSALS_UNNOTED, 1);
}
