/* The route table, and finding the row for a request. */
#include "server/routes.h"

#include "server/handlers.h"

#define HANDLER_LOCAL(handler) .kind = ROUTE_LOCAL, .local = handler
#define HANDLER_ISSUE(handler) .kind = ROUTE_ISSUE, .form = handler
#define HANDLER_READ(handler) .kind = ROUTE_READ, .work = handler
#define HANDLER_WRITE(handler) .kind = ROUTE_WRITE, .work = handler

const struct route routes[ROUTE_COUNT] = {
#define ROUTE(id, route_name, route_method, route_pattern, route_who, needs, kind, takes, reads, \
              handler) \
    {.name = route_name, \
     .method = HTTP_##route_method, \
     .pattern = route_pattern, \
     .who = WHO_##route_who, \
     .permission = needs, \
     .query = QUERY_##takes, \
     .parse = reads, \
     HANDLER_##kind(handler)},
#include "server/routes.def"
#undef ROUTE
};

/* A segment of the paths; the tree is built once and only read afterwards. */
struct node {
    struct text text;
    int param; /* -1: `text` must stand there */
    struct node *child;
    struct node *sibling;
    const struct route *routes[HTTP_METHODS + 1]; /* the last: of any other method */
};

#define NODES_MAX 128
static struct node nodes[NODES_MAX];
static size_t node_count;

static const struct text param_names[PARAM_COUNT] = {TEXT_INIT("{org}"), TEXT_INIT("{project}"),
                                                     TEXT_INIT("{service}"), TEXT_INIT("{id}"),
                                                     TEXT_INIT("{key}")};

/* Takes the segment up to the next '/' off the path, which starts with one; false at its end. */
static bool segment_next(struct text *path, struct text *ret_segment) {
    if (path->len == 0 || path->at[0] != '/')
        return false;
    const char *start = path->at + 1;
    const char *end = memchr(start, '/', path->len - 1);
    size_t len = end != NULL ? (size_t)(end - start) : path->len - 1;
    *ret_segment = (struct text){start, len};
    *path = (struct text){start + len, path->len - 1 - len};
    return true;
}

static int param_of(struct text segment) {
    for (int i = 0; i < PARAM_COUNT; i++)
        if (text_equal(segment, param_names[i]))
            return i;
    return -1;
}

static struct node *node_below(struct node *parent, struct text segment) {
    struct node **place = &parent->child;
    for (; *place != NULL; place = &(*place)->sibling)
        if (text_equal((*place)->text, segment))
            return *place;
    check(node_count < NODES_MAX);
    struct node *node = &nodes[node_count++];
    *node = (struct node){.text = segment, .param = param_of(segment)};
    *place = node;
    return node;
}

static void route_plant(const struct route *route, bool is_alias) {
    struct node *node = &nodes[0];
    struct text path = text_of(route->pattern), segment;
    while (segment_next(&path, &segment)) {
        bool is_orgs = is_alias && text_equal(segment, TEXT("orgs"));
        node = node_below(node, is_orgs ? TEXT("organizations") : segment);
    }
    check(node->routes[route->method] == NULL || node->routes[route->method] == route);
    node->routes[route->method] = route;
}

void routes_open(void) {
    if (node_count > 0)
        return;
    node_count = 1;
    for (size_t i = 0; i < ROUTE_COUNT; i++) {
        route_plant(&routes[i], false);
        route_plant(&routes[i], true);
    }
}

/* The fixed text before the variable part. */
static const struct node *node_match(const struct node *parent, struct text segment) {
    const struct node *variable = NULL;
    for (const struct node *node = parent->child; node != NULL; node = node->sibling) {
        if (node->param >= 0)
            variable = node;
        else if (text_equal(node->text, segment))
            return node;
    }
    return segment.len > 0 ? variable : NULL;
}

static bool param_take(struct route_match *match, int param, struct text segment) {
    struct buffer out = buffer_over(match->memory[param], ROUTE_PARAM_BYTES);
    if (!http_decode(segment, false, &out) || out.overflow)
        return false;
    match->params[param] = buffer_text(&out);
    return true;
}

static uint32_t node_methods(const struct node *node) {
    uint32_t methods = 0;
    for (unsigned i = 0; i < HTTP_METHODS; i++)
        if (node->routes[i] != NULL || node->routes[HTTP_ANY] != NULL)
            methods |= 1U << i;
    if (methods & 1U << HTTP_GET)
        methods |= 1U << HTTP_HEAD;
    return methods;
}

bool routes_find(const struct http_request *request, struct route_match *ret_match,
                 struct error *ret_error) {
    const struct node *node = &nodes[0];
    struct text path = request->path, segment;
    memset(ret_match->params, 0, sizeof(ret_match->params));
    ret_match->methods = 0;
    while (node != NULL && segment_next(&path, &segment)) {
        node = node_match(node, segment);
        if (node != NULL && node->param >= 0 && !param_take(ret_match, node->param, segment))
            node = NULL;
    }
    if (node == NULL || path.len > 0 || node_methods(node) == 0)
        return error_about(ret_error, ERROR_ROUTE_UNKNOWN, request->path);
    ret_match->methods = node_methods(node);
    enum http_method method = request->method == HTTP_HEAD ? HTTP_GET : request->method;
    ret_match->route = node->routes[method] != NULL ? node->routes[method] : node->routes[HTTP_ANY];
    return ret_match->route != NULL ||
           error_about(ret_error, ERROR_METHOD_UNKNOWN, request->method_text);
}

void routes_write_allow(uint32_t methods, struct buffer *out) {
    buffer_put(out, "Allow: ");
    for (unsigned i = 0; i < HTTP_METHODS; i++) {
        if (!(methods & 1U << i) || i == HTTP_OPTIONS)
            continue;
        buffer_put(out, http_method_name((enum http_method)i));
        buffer_put(out, ", ");
    }
    buffer_put(out, "OPTIONS\r\n");
}

/* ---- who may --------------------------------------------------------------------------------- */

bool routes_may(const struct route *route, enum role_scope scope, const struct role *role) {
    bool is_in_project = route->who == WHO_PROJECT || route->who == WHO_ISSUER;
    if (scope == ROLE_PROJECT)
        return is_in_project && (permissions_in_project(0, role->permissions) & route->permission);
    if (is_in_project)
        return (permissions_in_project(role->permissions, 0) & route->permission) != 0;
    return route->who == WHO_ORG && (role->permissions & route->permission) != 0;
}

static void roles_write(const struct route *route, enum role_scope scope, const char *title,
                        struct buffer *out) {
    size_t count, written = 0;
    const struct role *roles = roles_of(scope, &count);
    for (size_t i = 0; i < count; i++) {
        if (!routes_may(route, scope, &roles[i]))
            continue;
        if (written++ == 0 && out->len > 0 && out->at[out->len - 1] != ' ')
            buffer_put(out, "; ");
        buffer_put(out, written == 1 ? title : ", ");
        buffer_put(out, roles[i].name);
    }
}

void routes_write_who(const struct route *route, struct buffer *out) {
    switch (route->who) {
    case WHO_NOBODY:
        buffer_put(out, "everybody");
        break;
    case WHO_ANYONE:
        buffer_put(out, "whoever has a good token");
        break;
    case WHO_CREDENTIAL:
        buffer_put(out, "the bearer of a credential");
        break;
    case WHO_OPERATOR:
    case WHO_ORG:
    case WHO_PROJECT:
        buffer_put(out, "the operator");
        break;
    case WHO_ISSUER:
        buffer_put(out, "the operator as a service");
        break;
    }
    roles_write(route, ROLE_ORG, "org role ", out);
    roles_write(route, ROLE_PROJECT, "project role ", out);
}
