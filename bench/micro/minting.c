/* A mint without sockets and a service's warm grant in L1, and requests for it. */
#include "minting.h"

struct realm realm;
struct rig rig;
char minting_bearer[128];
size_t minting_replies;

static const char body[] = "{\n  \"attributes\": {\n    \"email\": \"user@example.com\",\n"
                           "    \"department\": \"sales\",\n    \"region\": \"us-west\",\n"
                           "    \"customer_id\": \"acme-corp\"\n  },\n  \"ttl_seconds\": 3600\n}";

static void on_reply(void *self, struct request *request, const struct http_reply *reply) {
    (void)self;
    (void)request;
    check(reply->status == 200);
    minting_replies++;
}

void minting_bearer_write(const struct service_token *token, char *ret_bearer) {
    struct buffer out = buffer_over(ret_bearer, sizeof(minting_bearer) - 1);
    buffer_put(&out, "Bearer ");
    service_token_write(token, TEXT("mint"), &out);
    check(!out.overflow);
    ret_bearer[out.len] = '\0';
}

void minting_open(size_t entries_max) {
    check(realm_open(&realm) && rig_open(&rig, &realm));
    struct cache_options options = rig.cache.options;
    const struct hash_key key = rig.cache.hash_key;
    options.entries_max = entries_max;
    options.bytes_max = SIZE_MAX / 2;
    cache_close(&rig.cache);
    check(cache_open(&rig.cache, &options, &key));
    minting_bearer_write(&realm.world.tokens[GATEWAY].token, minting_bearer);
    call_free(rig_get(&rig, (struct ask){.route = ISSUE}));
    rig.mint.ports.reply = on_reply;
}

void minting_close(void) {
    rig_close(&rig);
    realm_close(&realm);
}

void minting_begin(struct call *call, const char *bearer) {
    struct http_request *request = &call->exchange.request;
    struct text params[PARAM_COUNT] = {[PARAM_ORG] = TEXT("acme"), [PARAM_PROJECT] = TEXT("shop")};
    *call = (struct call){.exchange.conn = (struct conn *)(void *)call, .peer = "192.0.2.7"};
    request->method = HTTP_POST;
    request->headers[HTTP_HEADER_AUTHORIZATION] = text_of(bearer);
    request->headers[HTTP_HEADER_CONTENT_TYPE] = TEXT("application/json");
    request->body = (struct text){body, sizeof(body) - 1};
    mint_begin(&rig.mint, &call->exchange, &rig_routes[ISSUE], params);
}
