/* Refused attempts, as they go into the audit record. */
#ifndef SERVER_AUDIT_H
#define SERVER_AUDIT_H

#include "mint/request.h"

struct worker;

/* So many rows at once, and then a second, of the whole process: who hammers at what is forbidden
 * cannot fill the disk (at one a second a day takes some 30 MB). The others are counted and
 * logged. */
#define AUDIT_REFUSALS_PER_S 1
#define AUDIT_REFUSALS_BURST 100

/* Notes that the caller was refused what only the privileged may do. Nobody waits for it; on the
 * worker's thread, before the request is replied. */
void audit_refusal(struct worker *worker, struct request *request);

#endif
