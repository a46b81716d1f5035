/* A mint without sockets and a service's warm grant in L1, and requests for it. */
#ifndef MICRO_MINTING_H
#define MICRO_MINTING_H

#include "rig.h"

extern struct realm realm;
extern struct rig rig;
extern char minting_bearer[128]; /* that service's Authorization */
extern size_t minting_replies;   /* so many were good; another ends the program */

/* With so many entries in L1 at the most. */
void minting_open(size_t entries_max);
void minting_close(void);
/* "Bearer " and the token; `ret_bearer` has room for 128 bytes. */
void minting_bearer_write(const struct service_token *token, char *ret_bearer);
/* The request of the documentation, with four attributes, in `call` until it is replied to. */
void minting_begin(struct call *call, const char *bearer);

#endif
