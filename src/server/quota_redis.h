/* The counter of a rate limit in Redis, from which the replicas take their slices. */
#ifndef SERVER_QUOTA_REDIS_H
#define SERVER_QUOTA_REDIS_H

#include "mint/quota.h"

/* Asks for what quota->asked says, by quota->command; false if Redis cannot be asked now. The
 * answer is a list of three numbers, those of struct quota_answer. */
must_check bool quota_redis_ask(struct redis *redis, struct text prefix, struct quota *quota);

#endif
