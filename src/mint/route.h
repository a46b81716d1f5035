/* What a route is: a pattern, who may call it, and what answers it. */
#ifndef MINT_ROUTE_H
#define MINT_ROUTE_H

#include "http/request.h"
#include "mint/issue.h"
#include "registry/store.h"

struct request;

/* Who may call a route. */
enum route_who {
    WHO_NOBODY,   /* everybody: no token is looked at */
    WHO_ANYONE,   /* any good token */
    WHO_OPERATOR, /* the operator token */
    WHO_ORG,      /* the operator, or a service of the org with the permission there: the org of the
                     path or query, else the service's own */
    WHO_PROJECT,  /* the operator, or a service with the permission in the project in the path */
    WHO_ISSUER,   /* as WHO_PROJECT, but the operator only as a service that the query names */
    WHO_CREDENTIAL, /* the bearer of a credential of ours, while its service may still mint it */
};

/* How it is answered. */
enum route_kind {
    ROUTE_LOCAL, /* at once, from memory: `local` */
    ROUTE_ISSUE, /* by minting */
    ROUTE_READ,  /* by a registry job: `work` */
    ROUTE_WRITE, /* by a registry job that changes something: `work`, then the acknowledgement */
};

/* The parts of a path that vary, in the pattern as {org}, {project}, {service}, {id} and {key}.
 * */
enum route_param { PARAM_ORG, PARAM_PROJECT, PARAM_SERVICE, PARAM_ID, PARAM_KEY, PARAM_COUNT };

/* Query parameters that a route takes. */
enum route_query {
    QUERY_NONE = 0,
    QUERY_PAGE = 1 << 0, /* page_size, page_token */
    QUERY_EXPLAIN = 1 << 1,
    QUERY_ORG = 1 << 2,
    QUERY_PROJECT = 1 << 3,
    QUERY_AUDIENCE = 1 << 4, /* aud */
    QUERY_FORM = 1 << 5,     /* the body may be a form instead of JSON */
    QUERY_SERVICE = 1 << 6,  /* as which the operator acts */
    QUERY_WAIT = 1 << 7,     /* wait=0: answer when it is committed, not when it is in force */
    QUERY_ISSUE = QUERY_EXPLAIN | QUERY_SERVICE,
    QUERY_AUDIT = QUERY_PAGE | QUERY_ORG,
    QUERY_VERIFY = QUERY_ORG | QUERY_PROJECT | QUERY_AUDIENCE,
};

/* The method of a route that takes any. */
#define HTTP_ANY HTTP_METHOD_OTHER

struct route {
    const char *name; /* "services.create": for logs, metrics and the audit */
    enum http_method method;
    const char *pattern;
    enum route_who who;
    uint32_t permission;
    enum route_kind kind;
    uint32_t query;
    enum issue_form form; /* of ROUTE_ISSUE */
    /* Reads the body into request->input; false with request->error. NULL: a body must be empty or
     * {}, and where any method is taken it means nothing. */
    bool (*parse)(struct request *request);
    void (*local)(struct request *request);
    /* On a registry thread: asks the store and writes the answer with request_out; false with
     * request->error. */
    bool (*work)(struct request *request, struct session *session);
};

#endif
