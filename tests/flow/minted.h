/* Credentials that were minted, read as whoever checks them would. */
#ifndef FLOW_MINTED_H
#define FLOW_MINTED_H

#include "rig.h"
#include "token/jwt.h"

struct minted {
    const struct json *answer; /* {"runtimeHost", …} */
    struct text text;          /* the JWT */
    struct jwt jwt;
    struct text claims; /* as JSON */
    struct text tail;   /* of the claims what follows `jti`: sub, attr, sec */
    uint64_t ttl_s;
};
/* The answer as JSON; asserts that it is well-formed. Values live until the next call of this. */
const struct json *call_json(const struct call *call);
/* Takes the credential of an answer, {"accessToken", …}, and asserts all that holds for every one:
 * its form, its signature by the published key, the claims that are not the caller's to choose. */
void minted_take(const struct call *call, const struct json *answer, struct minted *ret_minted);
/* The same for a reply with one. */
void minted_read(const struct call *call, struct minted *ret_minted);

#endif
