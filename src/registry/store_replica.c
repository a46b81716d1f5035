/* The store's functions for replicas: who serves, and how far each has applied the changes. */
#include "registry/place.h"

static bool room_check(struct session *session, struct error *ret_error) {
    const struct row *row;
    if (!session_found(session, STATEMENT_REPLICA_COUNT, NO_PARAMETERS, "replicas", &row,
                       ret_error))
        return false;
    return row_number(row, 0) < REPLICAS_MAX ||
           error_set(ret_error, ERROR_OVERLOADED, "%d replicas", REPLICAS_MAX);
}

bool store_replica_add(struct session *session, const struct replica *replica,
                       struct error *ret_error) {
    const struct row *row = NULL;
    const struct value parameters[] = {value_uuid(&replica->id), value_text(text_of(replica->name)),
                                       value_number((int64_t)replica->beat),
                                       value_number(replica->seen_s)};
    bool ok = session_write(session, ret_error) && room_check(session, ret_error) &&
              session_row(session, STATEMENT_REPLICA_ADD, parameters, array_count(parameters), &row,
                          ret_error) &&
              (row != NULL || error_set(ret_error, ERROR_NAME_TAKEN, "of this replica")) &&
              session_commit(session, ret_error);
    return session_end(session, ok);
}

static bool place_check(struct session *session, const struct place *place,
                        struct error *ret_error) {
    struct place now;
    uint64_t mark;
    return place_read(session, place->seq, &now, &mark, ret_error) &&
           (place_is_behind(place, &now, mark) ||
            error_set(ret_error, ERROR_NOT_FOUND, "the change that was applied"));
}

bool store_replica_report(struct session *session, const struct uuid *id, const struct place *place,
                          int64_t now_s, struct error *ret_error) {
    const struct row *row;
    bool ok = session_write_each(session, ret_error) && place_check(session, place, ret_error) &&
              session_found(session, STATEMENT_REPLICA_REPORT,
                            PARAMETERS(value_uuid(id), value_number((int64_t)place->seq),
                                       value_number(now_s)),
                            "replica", &row, ret_error) &&
              session_commit(session, ret_error);
    return session_end(session, ok);
}

struct replica_list {
    struct replica *replicas;
    size_t count;
};

static bool replica_each(void *self, const struct row *row) {
    struct replica_list *list = self;
    if (list->count == REPLICAS_MAX)
        return false;
    struct replica *replica = &list->replicas[list->count++];
    struct buffer name = buffer_over(replica->name, REPLICA_NAME_BYTES);
    buffer_add(&name, row_text(row, 1));
    replica->name[name.len] = '\0';
    replica->id = row_uuid(row, 0);
    replica->beat = (uint64_t)row_number(row, 2);
    replica->acked_seq = (uint64_t)row_number(row, 3);
    replica->seen_s = row_number(row, 4);
    return true;
}

static bool list_read(struct session *session, struct replica *ret_replicas, size_t *ret_count,
                      struct error *ret_error) {
    struct replica_list list = {.replicas = ret_replicas};
    struct query query = {STATEMENT_REPLICA_LIST, NO_PARAMETERS, replica_each, &list};
    if (!session_each(session, &query, ret_error))
        return false;
    *ret_count = list.count;
    return true;
}

bool store_replica_look(struct session *session, const struct place *from, struct feed *ret_feed,
                        struct replica ret_replicas[static REPLICAS_MAX], size_t *ret_count,
                        struct error *ret_error) {
    bool ok = session_read(session, ret_error) &&
              list_read(session, ret_replicas, ret_count, ret_error) &&
              place_feed(session, from, ret_feed, ret_error);
    return session_end(session, ok);
}

bool store_replica_drop(struct session *session, const struct replica *by,
                        const struct place *place, const struct replica *dead,
                        struct error *ret_error) {
    int64_t beat = (int64_t)by->beat;
    bool ok = session_write_each(session, ret_error) && place_check(session, place, ret_error) &&
              session_do(session, STATEMENT_REPLICA_DROP,
                         PARAMETERS(value_uuid(&by->id), value_number(beat),
                                    value_number(beat + REPLICA_BEATS_BETWEEN),
                                    value_uuid(&dead->id), value_number((int64_t)dead->beat)),
                         ret_error) &&
              session_commit(session, ret_error);
    return session_end(session, ok);
}

bool store_replica_remove(struct session *session, const struct uuid *id, struct error *ret_error) {
    bool ok =
        session_write(session, ret_error) &&
        session_do(session, STATEMENT_REPLICA_REMOVE, PARAMETERS(value_uuid(id)), ret_error) &&
        session_commit(session, ret_error);
    return session_end(session, ok);
}
