/* What a credential costs without sockets: the whole mint over a warm L1, and L1 alone. */
#include <stdio.h>

#include "measure.h"
#include "minting.h"
#include "token/signer.h"

#define BATCH SIGNER_LANES

static struct call calls[BATCH];

static void mint_some(size_t count) {
    size_t before = minting_replies;
    for (size_t i = 0; i < count; i++)
        minting_begin(&calls[i], minting_bearer);
    rig_turn(&rig);
    check(minting_replies == before + count);
}

static void mint_one(void) {
    mint_some(1);
}

static void mint_batch(void) {
    mint_some(BATCH);
}

static void find_in_l1(void) {
    const struct uuid *token_id = &realm.world.tokens[GATEWAY].token.id;
    struct cached_grant *grant = cache_find_grant(&rig.cache, token_id);
    check(grant != NULL);
    check(cache_find_project(&rig.cache, &grant->grant->org_id, TEXT("shop")) != NULL);
}

int main(void) {
    minting_open(1000);
    measure("L1: a grant and a project", find_in_l1, 1);
    measure("mint: alone", mint_one, 1);
    measure("mint: each of a batch of 8", mint_batch, BATCH);
    if (signer_multi_buffer() != NULL && signer_use(signer_multi_buffer()))
        measure("mint: each of 8, multi-buffer", mint_batch, BATCH);
    faults_arm(0, false);
    for (int i = 0; i < 1000; i++)
        mint_batch();
    (void)printf("memory asked for by 8,000 credentials: %llu times\n",
                 (unsigned long long)faults_disarm());
    minting_close();
    return 0;
}
