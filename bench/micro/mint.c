/* What a credential costs without sockets: the whole mint over a warm L1, and L1 alone. */
#include <stdio.h>

#include "measure.h"
#include "rig.h"
#include "token/signer.h"

#define BATCH SIGNER_LANES

static struct realm realm;
static struct rig rig;
static struct call calls[BATCH];
static char bearer[256] = "Bearer ";
static size_t replies;

/* The request of the documentation, with four attributes. */
static const char body[] = "{\n  \"attributes\": {\n    \"email\": \"user@example.com\",\n"
                           "    \"department\": \"sales\",\n    \"region\": \"us-west\",\n"
                           "    \"customer_id\": \"acme-corp\"\n  },\n  \"ttl_seconds\": 3600\n}";

static void on_reply(void *self, struct request *request, const struct http_reply *reply) {
    (void)self;
    (void)request;
    check(reply->status == 200);
    replies++;
}

static void begin(struct call *call) {
    struct http_request *request = &call->exchange.request;
    struct text params[PARAM_COUNT] = {[PARAM_ORG] = TEXT("acme"), [PARAM_PROJECT] = TEXT("shop")};
    *call = (struct call){.exchange.conn = (struct conn *)(void *)call, .peer = "192.0.2.7"};
    request->method = HTTP_POST;
    request->headers[HTTP_HEADER_AUTHORIZATION] = text_of(bearer);
    request->headers[HTTP_HEADER_CONTENT_TYPE] = TEXT("application/json");
    request->body = (struct text){body, sizeof(body) - 1};
    mint_begin(&rig.mint, &call->exchange, &rig_routes[ISSUE], params);
}

static void mint_some(size_t count) {
    size_t before = replies;
    for (size_t i = 0; i < count; i++)
        begin(&calls[i]);
    rig_turn(&rig);
    check(replies == before + count);
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
    check(realm_open(&realm) && rig_open(&rig, &realm));
    realm_token(&realm, GATEWAY, bearer + 7, sizeof(bearer) - 7);
    call_free(rig_get(&rig, (struct ask){.route = ISSUE}));
    rig.mint.ports.reply = on_reply;
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
    rig_close(&rig);
    realm_close(&realm);
    return 0;
}
