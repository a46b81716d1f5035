/* What a credential costs without sockets, by how many tokens are in use: all are in L1, and asked
 * for in no order. */
#include <stdio.h>

#include "base/clock.h"
#include "minting.h"
#include "token/signer.h"

#define TOKENS_MAX 1000000
#define TURN 32     /* requests a turn of the loop */
#define ROUND 65536 /* requests */
#define ROUNDS 7

static struct call calls[TURN];
static char bearers[TURN][sizeof(minting_bearer)];
static struct service_token *tokens;

/* Writing the tokens down is the client's work, and not counted. */
static uint64_t turn_ns(size_t count) {
    size_t before = minting_replies;
    for (size_t i = 0; i < TURN; i++) {
        uint32_t number;
        random_bytes(&realm.random, &number, sizeof(number));
        minting_bearer_write(&tokens[number % count], bearers[i]);
    }
    uint64_t start = clock_monotonic_ns();
    for (size_t i = 0; i < TURN; i++)
        minting_begin(&calls[i], bearers[i]);
    rig_turn(&rig);
    check(minting_replies == before + TURN);
    return clock_monotonic_ns() - start;
}

static void tokens_measure(size_t count) {
    double best = 1e18;
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t spent_ns = 0;
        for (size_t i = 0; i < ROUND / TURN; i++)
            spent_ns += turn_ns(count);
        double each = (double)spent_ns / ROUND;
        best = each < best ? each : best;
    }
    char what[64];
    (void)snprintf(what, sizeof(what), "mint: each of %d, of %zu token%s", TURN, count,
                   count == 1 ? "" : "s");
    (void)printf("%-44s %10.1f ns\n", what, best);
}

/* Another token of the same service. */
static void token_add(struct service_token *ret_token) {
    const struct cached_grant *of =
        cache_find_grant(&rig.cache, &realm.world.tokens[GATEWAY].token.id);
    check(of != NULL);
    struct grant *grant = grant_copy(of->grant);
    check(grant != NULL);
    service_token_make(&realm.random, TOKEN_SERVICE, ret_token);
    grant->token_id = ret_token->id;
    service_token_hash(ret_token, grant->secret_hash);
    check(cache_put_grant(&rig.cache, grant, &of->entry.stamp) != NULL);
}

int main(void) {
    minting_open(TOKENS_MAX + 16);
    tokens = calloc(TOKENS_MAX, sizeof(*tokens));
    check(tokens != NULL);
    if (signer_multi_buffer() != NULL)
        check(signer_use(signer_multi_buffer()));
    for (size_t count = 1, made = 0; count <= TOKENS_MAX; count *= 10) {
        for (; made < count; made++)
            token_add(&tokens[made]);
        tokens_measure(count);
    }
    free(tokens);
    minting_close();
    return 0;
}
