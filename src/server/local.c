/* Routes that are answered at once, from memory: ping, health, metadata, roles and so on. */
#include "server/answer.h"
#include "server/handlers.h"
#include "server/server.h"

static struct server *server_of(const struct request *request) {
    return ((struct worker *)request->mint->ports.self)->server;
}

/* Room for the body in the request's memory; on failure the request has the error. */
static bool body_open(struct request *request, size_t size, struct buffer *ret_body) {
    char *memory = request_take(request, size);
    if (memory == NULL)
        return false;
    *ret_body = buffer_over(memory, size);
    return true;
}

void local_ping(struct request *request) {
    struct buffer body;
    if (!body_open(request, 256, &body))
        return;
    buffer_byte(&body, '{');
    answer_text(&body, "version", TEXT(MINTD_VERSION));
    answer_time(&body, "time", request->mint->clock->wall_s);
    buffer_byte(&body, '}');
    request->reply_body = buffer_text(&body);
}

void local_healthz(struct request *request) {
    struct buffer body;
    if (!body_open(request, 1024, &body))
        return;
    request->status = health_write_live(server_of(request), &body);
    request->reply_body = buffer_text(&body);
}

void local_readyz(struct request *request) {
    struct buffer body;
    if (!body_open(request, 4096, &body))
        return;
    request->status = health_write_ready(server_of(request), &body);
    request->reply_body = buffer_text(&body);
}

static void cache_control(struct request *request) {
    struct buffer out;
    if (!body_open(request, 64, &out))
        return;
    buffer_put(&out, "public, max-age=");
    buffer_number(&out, server_of(request)->settings->jwks_max_age_s);
    buffer_byte(&out, '\0');
    request->cache_control = out.at;
}

/* A replica that has not heard of the registry for a lease may lack a key: what it says is good,
 * but not to be kept (token/rotation.h). */
void local_jwks(struct request *request) {
    const struct worker *worker = request->mint->ports.self;
    const struct jwks *jwks = &worker->published->jwks;
    struct text known = request->exchange->request.headers[HTTP_HEADER_IF_NONE_MATCH];
    if (freshness_left_us(&worker->freshness, request->mint->clock->monotonic_us) > 0)
        cache_control(request);
    else
        request->cache_control = "no-cache";
    buffer_add(&request->extra, jwks->headers);
    if (metadata_is_known(known, jwks->etag))
        request->status = 304;
    else
        request->reply_body = jwks->document;
}

void local_discovery(struct request *request) {
    cache_control(request);
    buffer_put(&request->extra, "Access-Control-Allow-Origin: *\r\n");
    request->reply_body = server_of(request)->discovery.document;
}

void local_openapi(struct request *request) {
    cache_control(request);
    buffer_put(&request->extra, "Access-Control-Allow-Origin: *\r\n");
    request->reply_body = server_of(request)->openapi.document;
}

static void roles_write(struct buffer *out, const char *key, enum role_scope scope) {
    size_t count;
    const struct role *list = roles_of(scope, &count);
    answer_raw(out, key, TEXT("["));
    for (size_t i = 0; i < count; i++) {
        answer_key(out, NULL);
        buffer_byte(out, '{');
        answer_text(out, "name", text_of(list[i].name));
        answer_raw(out, "permissions", TEXT("["));
        for (unsigned bit = 0; bit < 32; bit++) {
            if (!(list[i].permissions & 1U << bit))
                continue;
            answer_key(out, NULL);
            buffer_json(out, text_of(permission_name((enum permission)(1U << bit))));
        }
        buffer_add(out, TEXT("]}"));
    }
    buffer_byte(out, ']');
}

void local_roles(struct request *request) {
    struct buffer body;
    if (!body_open(request, 4096, &body))
        return;
    buffer_byte(&body, '{');
    roles_write(&body, "organizationRoles", ROLE_ORG);
    roles_write(&body, "projectRoles", ROLE_PROJECT);
    buffer_byte(&body, '}');
    check(!body.overflow);
    request->reply_body = buffer_text(&body);
}
