/* Grants and projects as bytes that this version, the one before and the next one understand. */
#ifndef CACHE_RECORD_H
#define CACHE_RECORD_H

#include "registry/types.h"

/* MessagePack: one map from small numbers to numbers, texts and bytes, without anything nested. A
 * number stands for the same field for ever (record.c). A reader skips fields that it does not know
 * and takes the default for those that are not there, unless nothing sensible can be done without;
 * so a version may add fields, and stops reading one only when nobody writes it any more. */
enum record_kind { RECORD_GRANT = 1, RECORD_PROJECT = 2 };

struct record {
    enum record_kind kind;
    int64_t read_s; /* when it was read from the registry, by the calendar of who did */
    union {
        struct grant grant; /* projects NULL where it was read: they stand in `projects` */
        struct project_record project;
    };
    struct text projects;
};

/* Sets out->overflow if it does not fit. */
void record_write(const struct record *record, struct buffer *out);
/* Trusts nothing. False if the bytes are no record of the kind. Texts point into them. */
must_check bool record_read(struct text bytes, enum record_kind kind, struct record *ret_record);
/* The grant as one block with its projects; NULL when memory is out. */
must_check struct grant *record_grant(const struct record *record);

#endif
