/* The OpenAPI 3.1 document: made of the route table and what openapi.json says of each route. */
#ifndef SERVER_OPENAPI_H
#define SERVER_OPENAPI_H

#include "base/error.h"

struct openapi {
    struct text document; /* JSON */
    char *memory;
};

/* From the tables: paths, methods, parameters, who may call, errors. From openapi.json: words,
 * schemas and examples, by the routes' names. */
must_check bool openapi_make(struct openapi *openapi, struct error *ret_error);
void openapi_free(struct openapi *openapi); /* a zeroed one is fine */

#endif
