/* The feed of what was cut, for every replica's cache. */
#include "registry/place.h"

/* From the columns of a change behind its number. 0 is for "not known". */
static uint64_t mark_of(const struct row *row, size_t kind_column) {
    struct uuid id = row_uuid(row, kind_column + 1);
    uint64_t mark;
    memcpy(&mark, id.bytes, sizeof(mark));
    mark ^= (uint64_t)row_number(row, kind_column) << 56;
    mark ^= (uint64_t)row_number(row, kind_column + 2);
    return mark != 0 ? mark : 1;
}

bool place_read(struct session *session, uint64_t seq, struct place *ret_now, uint64_t *ret_mark,
                struct error *ret_error) {
    const struct row *row;
    if (!session_found(session, STATEMENT_COUNTER, PARAMETERS(value_number((int64_t)seq)),
                       "counter", &row, ret_error))
        return false;
    ret_now->epoch = (uint64_t)row_number(row, 0);
    ret_now->seq = (uint64_t)row_number(row, 1);
    *ret_mark = row->columns[2].type == VALUE_NULL ? 0 : mark_of(row, 2);
    return true;
}

bool place_is_behind(const struct place *place, const struct place *now, uint64_t mark) {
    return place->epoch == now->epoch && place->seq <= now->seq &&
           (place->mark == 0 || place->mark == mark);
}

/* The same epoch, and another change under the place's number, or none yet. One that was trimmed
 * away tells nothing. */
static bool place_is_fork(const struct place *place, const struct place *now, uint64_t mark) {
    return place->epoch == now->epoch && !place_is_behind(place, now, mark) &&
           (place->seq > now->seq || mark != 0);
}

static bool change_each(void *self, const struct row *row) {
    struct feed *feed = self;
    if (feed->count == FEED_CHANGES_MAX)
        return false;
    feed->changes[feed->count].seq = (uint64_t)row_number(row, 0);
    feed->changes[feed->count].scope = (struct scope){
        .kind = (enum scope_kind)row_number(row, 1),
        .id = row_uuid(row, 2),
    };
    feed->mark = mark_of(row, 1);
    feed->count++;
    return true;
}

/* Every mutation wrote one row, so the rows behind the cursor are as many as the counter went on;
 * else some were trimmed away, or there are too many. */
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

/* The same place as before? The engine's version tells without reading: it moves with every commit
 * of another connection, so only readers can go by it. */
static bool is_unmoved(struct session *session, const struct place *from, struct feed *feed) {
    uint64_t version = session->is_writer ? 0 : session->engine->version(session->connection);
    bool is_same = version != 0 && version == session->fed.version &&
                   from->epoch == session->fed.place.epoch && from->seq == session->fed.place.seq &&
                   from->mark == session->fed.place.mark;
    session->fed.version = version;
    if (is_same) {
        feed->epoch = from->epoch;
        feed->seq = from->seq;
        feed->mark = from->mark;
    }
    return is_same;
}

bool place_feed(struct session *session, const struct place *from, struct feed *feed,
                struct error *ret_error) {
    struct place now;
    uint64_t mark;
    feed->count = 0;
    feed->is_flush = feed->is_foreign = feed->is_forked = false;
    if (is_unmoved(session, from, feed))
        return true;
    if (!place_read(session, from->seq, &now, &mark, ret_error))
        return false;
    feed->epoch = now.epoch;
    feed->seq = now.seq;
    feed->mark = mark;
    feed->is_foreign = !place_is_behind(from, &now, mark);
    feed->is_forked = place_is_fork(from, &now, mark);
    feed->is_flush = feed->is_foreign;
    if (!feed->is_flush && now.seq > from->seq &&
        !changes_read(session, from->seq, feed, ret_error))
        return false;
    if (feed->is_flush && !place_read(session, feed->seq, &now, &feed->mark, ret_error))
        return false;
    session->fed.place = (struct place){feed->epoch, feed->seq, feed->mark};
    return true;
}

bool store_feed(struct session *session, const struct place *from, struct feed *ret_feed,
                struct error *ret_error) {
    bool ok = session_read(session, ret_error) && place_feed(session, from, ret_feed, ret_error);
    return session_end(session, ok);
}

bool store_epoch_end(struct session *session, uint64_t epoch, uint64_t next,
                     struct error *ret_error) {
    bool ok = session_write_each(session, ret_error) &&
              session_do(session, STATEMENT_EPOCH_END,
                         PARAMETERS(value_number((int64_t)epoch), value_number((int64_t)next)),
                         ret_error) &&
              session_commit(session, ret_error);
    return session_end(session, ok);
}

uint64_t store_changed_epoch(const struct session *session) {
    return session->changed_epoch;
}
