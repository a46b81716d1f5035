/* The poll: reads the registry's feed, has every worker apply it, tells the other replicas, and
 * tells who waits for that. */
#ifndef SERVER_CHANGES_H
#define SERVER_CHANGES_H

#include <pthread.h>
#include <stdatomic.h>

#include "cache/fleet.h"
#include "io/loop.h"

struct server;
struct request;

/* On the main thread but where it says otherwise. One poll at a time: asked of the registry,
 * applied by every worker, then reported and acknowledged. */
enum changes_state { CHANGES_IDLE, CHANGES_ASKING, CHANGES_APPLYING };

struct changes {
    struct server *server;
    enum changes_state state;
    bool poll_again;
    bool is_up;      /* the last poll was answered */
    size_t applying; /* workers that have not applied yet */
    struct place cursor;
    struct feed feed; /* read by the workers while CHANGES_APPLYING, as is fleet.look */
    struct replica rows[REPLICAS_MAX];
    size_t row_count;
    struct error error;
    struct registry_job job;
    struct loop_task hint_task;
    _Atomic bool is_hinted;

    /* The other replicas. Workers read it for receipts. */
    pthread_mutex_t fleet_lock;
    struct fleet fleet;
    _Atomic uint64_t live; /* replicas that are listed, for quotas and metrics */

    /* What the registry is told: one job at a time. */
    bool is_reporting;
    bool is_report_taken;
    bool has_report;
    bool is_adding; /* the report is to be listed */
    struct replica report_self;
    uint64_t report_sent_us;
    struct place report_place;
    struct replica dead; /* to be struck off; zeros: nobody */
    struct registry_job report_job;

    /* An epoch with two histories in it is ended. */
    bool is_ending;
    bool is_ended;
    uint64_t forked_epoch;
    uint64_t next_epoch;
    struct registry_job epoch_job;

    /* What workers read when they are told. */
    _Atomic uint64_t acknowledged;
    _Atomic uint64_t epoch;

    /* While somebody waits for the others: polls in quick succession. */
    _Atomic uint64_t wanted_seq;
    _Atomic uint64_t wanted_us; /* when it was committed */
    struct loop_timer watch_timer;
    uint64_t heard_us; /* since when they have not applied more; 0: nobody waits */
};

/* Has the process listed, and polls, before anything listens and any thread runs. */
must_check bool changes_open(struct changes *changes, struct server *server,
                             struct error *ret_error);
/* No worker serves any more: the others need not wait for this process. */
void changes_leave(struct changes *changes);
void changes_close(struct changes *changes);
/* Every poll interval. */
void changes_poll(struct changes *changes);
/* Something was committed, here or elsewhere, or a worker is not fresh: poll now. From any
 * thread. */
void changes_hint(struct changes *changes);
/* On a worker's loop (and by changes_open). */
struct worker;
void changes_apply(struct worker *worker);
/* On a worker's loop: adds to the answer how the request's change spread. */
void changes_receipt(struct changes *changes, struct request *request);

#endif
