/* `mint audit`: the record of what was changed, shown, and its chain followed. */
#include <time.h>

#include "client/list.h"
#include "token/chain.h"

static const struct column audit_columns[] = {
    {"TIME", "createdOn", CELL_TIME}, {"WHO", "actorKind actorName", CELL_AUTO},
    {"FROM", "address", CELL_AUTO},   {"ACTION", "action", CELL_AUTO},
    {"TARGET", "target", CELL_AUTO},  {0},
};

/* The org's records; without an org, all that the token may see. */
enum status run_audit(struct client *client, const struct call *call) {
    struct command command = *call->command;
    struct call own = *call;
    struct text limit = call_flag(call, "limit");
    uint64_t most = SIZE_MAX;
    struct rows rows;
    own.command = &command;
    if (client->org.len > 0)
        command.target = "/v1/audit?org={org}";
    if (limit.at != NULL)
        check(text_number(limit, UINT32_MAX, &most));
    enum status status = list_read(client, &own, most, &rows);
    if (status == STATUS_FINE)
        show_list(client, rows.at, rows.count, audit_columns);
    return status;
}

/* ---- the chain ------------------------------------------------------------------------------- */

/* A row's id and hash: what the row after it was made from. */
struct link {
    uint64_t id;
    uint8_t hash[SHA256_BYTES];
};

/* The rows come newest first, so each is checked when the one before it in the chain has come. */
struct walk {
    const struct json *row; /* the last one that came, not yet checked; NULL: none */
    struct link link;       /* of it */
    struct link head;       /* of the newest row */
    struct link wanted;     /* that must be among them, from an earlier run; id 0: none */
    uint64_t rows;
    uint64_t bad_id; /* the lowest found so far; 0: none */
    bool is_missing; /* it is not among the rows */
    char next_page[24];
};

static struct text string_of(const struct json *row, struct text key) {
    const struct json *value = json_member(row, key);
    return value != NULL && json_is_string(value) ? json_text(value) : (struct text){0};
}

static bool number_of(const struct json *row, struct text key, uint64_t *ret_number) {
    const struct json *value = json_member(row, key);
    return value != NULL && json_number(value, INT64_MAX, ret_number);
}

static bool link_read(const struct json *row, struct link *ret_link) {
    return number_of(row, TEXT("id"), &ret_link->id) &&
           text_hex(string_of(row, TEXT("hash")), ret_link->hash, SHA256_BYTES);
}

static bool seconds_read(struct text time, uint64_t *ret_s) {
    char memory[TIME_TEXT_BYTES + 1] = "";
    struct tm parts = {0};
    if (time.len != TIME_TEXT_BYTES)
        return false;
    memcpy(memory, time.at, TIME_TEXT_BYTES);
    const char *end = strptime(memory, "%Y-%m-%dT%H:%M:%SZ", &parts);
    *ret_s = (uint64_t)timegm(&parts);
    return end != NULL && *end == '\0';
}

/* The store's JSON, which the answer holds as it is; empty for null. */
static struct text json_of(struct client *client, const struct json *row, struct text key) {
    const struct json *value = json_member(row, key);
    if (value == NULL || json_is_null(value))
        return (struct text){0};
    struct buffer *out = &client->scratch;
    out->len = 0;
    json_write(value, out);
    return pool_copy(&client->pool, buffer_text(out));
}

/* The hash that the row must have behind a row with the hash `before`; false if a part of it is
 * missing. The parts are the registry's columns, in their order. */
static bool row_hash(struct client *client, const struct json *row,
                     const uint8_t before[static SHA256_BYTES],
                     uint8_t ret_hash[static SHA256_BYTES]) {
    uint64_t id, seq, at_s;
    uint8_t numbers[3][8];
    struct uuid org = {0};
    struct text org_id = string_of(row, TEXT("orgId"));
    if (!number_of(row, TEXT("id"), &id) || !number_of(row, TEXT("seq"), &seq) ||
        !seconds_read(string_of(row, TEXT("createdOn")), &at_s) ||
        (org_id.len > 0 && !text_uuid(org_id, &org)))
        return false;
    const struct text parts[] = {
        chain_number(id, numbers[0]),        chain_number(seq, numbers[1]),
        chain_number(at_s, numbers[2]),      {(const char *)org.bytes, UUID_BYTES},
        string_of(row, TEXT("actorKind")),   string_of(row, TEXT("actorId")),
        string_of(row, TEXT("actorName")),   string_of(row, TEXT("address")),
        string_of(row, TEXT("requestId")),   string_of(row, TEXT("action")),
        string_of(row, TEXT("target")),      json_of(client, row, TEXT("before")),
        json_of(client, row, TEXT("after")),
    };
    chain_hash(before, parts, array_count(parts), ret_hash);
    return true;
}

static void walk_blame(struct walk *walk, uint64_t id, bool is_missing) {
    walk->bad_id = id;
    walk->is_missing = is_missing;
}

/* The row that came last, now that the one before it in the chain is known. */
static void walk_check(struct client *client, struct walk *walk, const struct link *before) {
    uint8_t hash[SHA256_BYTES];
    if (walk->row == NULL)
        return;
    if (before->id + 1 != walk->link.id)
        walk_blame(walk, before->id + 1, true);
    else if (!row_hash(client, walk->row, before->hash, hash) ||
             memcmp(hash, walk->link.hash, SHA256_BYTES) != 0)
        walk_blame(walk, walk->link.id, false);
}

static bool walk_take(struct client *client, struct walk *walk, const struct json *row) {
    struct link link = {0};
    if (!json_is_object(row) || !link_read(row, &link) || link.id == 0 ||
        (walk->row != NULL && link.id >= walk->link.id)) {
        client_complain(client, "the answer holds something that is no audit record");
        return false;
    }
    if (walk->row == NULL)
        walk->head = link;
    walk_check(client, walk, &link);
    if (link.id == walk->wanted.id && memcmp(link.hash, walk->wanted.hash, SHA256_BYTES) != 0)
        walk_blame(walk, link.id, false);
    walk->row = row;
    walk->link = link;
    walk->rows++;
    return true;
}

/* One page, into memory of its own. */
static enum status page_walk(struct client *client, const struct call *call, struct walk *walk) {
    char memory[64];
    struct buffer query = buffer_over(memory, sizeof(memory));
    struct reply reply;
    buffer_put(&query, "page_size=1000");
    if (walk->next_page[0] != '\0')
        buffer_format(&query, "&page_token=%s", walk->next_page);
    enum status status = client_request(client, call, buffer_text(&query), &reply);
    if (status != STATUS_FINE)
        return status;
    const struct json *records = json_member(reply.json, TEXT("auditRecords"));
    if (records == NULL || !json_is_array(records)) {
        client_complain(client, "the answer holds no auditRecords");
        return STATUS_FAILED;
    }
    for (struct json_iter i = json_iter(records); json_next(&i);)
        if (!walk_take(client, walk, i.value))
            return STATUS_FAILED;
    struct text next = string_of(reply.json, TEXT("nextPageToken"));
    uint64_t id = 0;
    if (next.len > 0 && (!text_number(next, INT64_MAX, &id) || id != walk->link.id)) {
        client_complain(client, "the answer's nextPageToken makes no sense");
        return STATUS_FAILED;
    }
    struct buffer kept = buffer_over(walk->next_page, sizeof(walk->next_page) - 1);
    buffer_add(&kept, next);
    walk->next_page[kept.len] = '\0';
    return STATUS_FINE;
}

/* Every page; the record may be larger than memory, so no more than two of them are kept. */
static enum status pages_walk(struct client *client, const struct call *call, struct walk *walk) {
    struct pool whole = client->pool, before = {0};
    enum status status;
    do {
        client->pool = (struct pool){0};
        status = page_walk(client, call, walk);
        pool_close(&before);
        before = client->pool;
    } while (status == STATUS_FINE && walk->next_page[0] != '\0');
    walk_check(client, walk, &(struct link){0});
    walk->row = NULL;
    pool_close(&client->pool);
    client->pool = whole;
    return status;
}

/* ID:HASH */
static bool head_read(struct text text, struct link *ret_link) {
    const char *colon = text.len > 0 ? memchr(text.at, ':', text.len) : NULL;
    if (colon == NULL)
        return false;
    struct text id = {text.at, (size_t)(colon - text.at)};
    return text_number(id, INT64_MAX, &ret_link->id) && ret_link->id > 0 &&
           text_hex((struct text){colon + 1, text.len - id.len - 1}, ret_link->hash, SHA256_BYTES);
}

static enum status walk_tell(struct client *client, const struct walk *walk) {
    char memory[128];
    struct buffer head = buffer_over(memory, sizeof(memory));
    struct error error;
    if (walk->bad_id != 0) {
        client_complain(client, "the audit record is not whole: row %llu %s",
                        (unsigned long long)walk->bad_id,
                        walk->is_missing ? "is missing (or not for this token to see: only the "
                                           "operator sees every row)"
                                         : "was changed");
        return STATUS_FAILED;
    }
    buffer_number(&head, walk->head.id);
    buffer_byte(&head, ':');
    buffer_hex(&head, walk->head.hash, SHA256_BYTES);
    struct buffer out = pool_buffer(&client->pool, 256);
    buffer_format(&out, "{\"rows\":%llu,\"head\":\"%.*s\"}", (unsigned long long)walk->rows,
                  (int)head.len, head.at);
    if (client->format == FORMAT_HUMAN)
        buffer_put(&client->out, "the audit record is whole\n");
    show_object(client, client_read_json(client, buffer_text(&out), &error));
    return STATUS_FINE;
}

enum status run_audit_verify(struct client *client, const struct call *call) {
    struct walk walk = {0};
    struct text head = call_flag(call, "head");
    if (head.at != NULL && !head_read(head, &walk.wanted))
        return client_refuse(client, call, "--head must be ID:HASH, as an earlier run printed it");
    enum status status = pages_walk(client, call, &walk);
    if (status != STATUS_FINE)
        return status;
    if (walk.bad_id == 0 && walk.head.id < walk.wanted.id)
        walk_blame(&walk, walk.head.id + 1, true);
    return walk_tell(client, &walk);
}
