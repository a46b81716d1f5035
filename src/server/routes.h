/* The route table, and finding the row for a request. */
#ifndef SERVER_ROUTES_H
#define SERVER_ROUTES_H

#include "mint/request.h"

enum route_id {
#define ROUTE(id, name, method, pattern, who, permission, kind, query, parse, handler) \
    ROUTE_ID_##id,
#include "server/routes.def"
#undef ROUTE
    ROUTE_COUNT
};
extern const struct route routes[ROUTE_COUNT];

/* A path's variable parts, decoded. */
#define ROUTE_PARAM_BYTES 64
struct route_match {
    const struct route *route;
    struct text params[PARAM_COUNT];
    char memory[PARAM_COUNT][ROUTE_PARAM_BYTES];
    uint32_t methods; /* bits of the methods that the path takes; 0: no such path */
};

/* Builds the tree that routes_find walks; once, before any thread. */
void routes_open(void);
/* HEAD finds the row of GET. False with ROUTE_UNKNOWN or METHOD_UNKNOWN (then `methods` is set). */
must_check bool routes_find(const struct http_request *request, struct route_match *ret_match,
                            struct error *ret_error);
/* Who may call the route, in words: "the operator; org role admin; project roles admin, issuer". */
void routes_write_who(const struct route *route, struct buffer *out);
/* Whether a role lets its service call the route, in its own org and project. */
bool routes_may(const struct route *route, enum role_scope scope, const struct role *role);
/* "Allow: GET, HEAD, OPTIONS\r\n". */
void routes_write_allow(uint32_t methods, struct buffer *out);

#endif
