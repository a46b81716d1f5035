/* The replicas, as the one that is asked knows them. */
#include "server/answer.h"
#include "server/handlers.h"
#include "server/server.h"

#define LIST_BYTES 256
#define LIST_ROW_BYTES (256 + 6 * REPLICA_NAME_BYTES)

static void seq_write(struct buffer *out, const char *key, uint64_t seq) {
    answer_key(out, key);
    buffer_format(out, "\"%llu\"", (unsigned long long)seq);
}

static void standing_write(void *self, const struct fleet_standing *standing) {
    static const struct text leases[] = {
        [FLEET_LEASED] = TEXT_INIT("held"),
        [FLEET_LATE] = TEXT_INIT("over"),
        [FLEET_GONE] = TEXT_INIT("struck off"),
    };
    struct buffer *out = self;
    answer_key(out, NULL);
    buffer_byte(out, '{');
    answer_uuid(out, "id", &standing->replica->id);
    answer_text(out, "name", text_of(standing->replica->name));
    answer_bool(out, "answersThis", standing->is_self);
    seq_write(out, "appliedSeq", standing->replica->acked_seq);
    answer_number(out, "reportAgeMilliseconds", standing->silent_us / 1000);
    answer_text(out, "lease", leases[standing->lease]);
    answer_number(out, "leaseLeftMilliseconds", standing->lease_left_us / 1000);
    buffer_byte(out, '}');
}

void local_replicas(struct request *request) {
    const struct worker *worker = request->mint->ports.self;
    struct changes *changes = &worker->server->changes;
    pthread_mutex_lock(&changes->fleet_lock);
    struct buffer *out =
        request_out(request, LIST_BYTES + (1 + changes->fleet.peer_count) * LIST_ROW_BYTES);
    if (out != NULL) {
        buffer_byte(out, '{');
        seq_write(out, "seq", changes->fleet.applied.seq);
        answer_raw(out, "replicas", TEXT("["));
        fleet_stand(&changes->fleet, request->mint->clock->monotonic_us, standing_write, out);
        buffer_add(out, TEXT("]}"));
    }
    pthread_mutex_unlock(&changes->fleet_lock);
    if (out != NULL)
        request->reply_body = buffer_text(out);
    else
        (void)error_set(&request->error, ERROR_OVERLOADED, "memory");
}
