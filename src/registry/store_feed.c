/* The feed of what was cut, for every replica's cache. */
#include "registry/session.h"
#include "registry/store.h"

static bool change_each(void *self, const struct row *row) {
    struct feed *feed = self;
    if (feed->count == FEED_CHANGES_MAX)
        return false;
    feed->changes[feed->count].seq = (uint64_t)row_number(row, 0);
    feed->changes[feed->count].scope = (struct scope){
        .kind = (enum scope_kind)row_number(row, 1),
        .id = row_uuid(row, 2),
    };
    feed->count++;
    return true;
}

/* Every mutation wrote one row, so the rows behind the cursor are as many as the counter went on;
 * else some were trimmed away, or there are too many, or the counter went back. */
static bool changes_read(struct session *session, uint64_t cursor, struct feed *feed,
                         struct error *ret_error) {
    struct query query = {STATEMENT_CHANGES_AFTER, PARAMETERS(value_number((int64_t)cursor)),
                          change_each, feed};
    if (!session_each(session, &query, ret_error))
        return false;
    if (feed->count != feed->seq - cursor) {
        feed->is_flush = true;
        feed->count = 0;
    }
    return true;
}

static bool feed_read(struct session *session, uint64_t epoch, uint64_t cursor, struct feed *feed,
                      struct error *ret_error) {
    /* The number is not moved by this connection's own commits: only readers can go by it. */
    uint64_t version = session->is_writer ? 0 : session->engine->version(session->connection);
    feed->count = 0;
    feed->is_flush = false;
    if (version == 0 || version != session->fed.version) {
        const struct row *row;
        if (!session_found(session, STATEMENT_COUNTER, NO_PARAMETERS, "counter", &row, ret_error))
            return false;
        session->fed.version = version;
        session->fed.epoch = (uint64_t)row_number(row, 0);
        session->fed.seq = (uint64_t)row_number(row, 1);
    }
    feed->epoch = session->fed.epoch;
    feed->seq = session->fed.seq;
    if (feed->seq == cursor && feed->epoch == epoch)
        return true;
    feed->is_flush = feed->epoch != epoch;
    return feed->is_flush || changes_read(session, cursor, feed, ret_error);
}

bool store_feed(struct session *session, uint64_t epoch, uint64_t cursor, struct feed *ret_feed,
                struct error *ret_error) {
    bool ok =
        session_read(session, ret_error) && feed_read(session, epoch, cursor, ret_feed, ret_error);
    return session_end(session, ok);
}
