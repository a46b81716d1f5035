/* The handlers of the route table, each named in one row of routes.def. */
#ifndef SERVER_HANDLERS_H
#define SERVER_HANDLERS_H

#include "mint/request.h"

/* ROUTE_LOCAL: on the loop, from memory. */
void local_ping(struct request *request);
void local_healthz(struct request *request);
void local_readyz(struct request *request);
void local_jwks(struct request *request);
void local_discovery(struct request *request);
void local_roles(struct request *request);
void local_openapi(struct request *request);
void local_verify(struct request *request);
void local_replicas(struct request *request);

/* Bodies: on the loop, before the token is looked at. */
bool org_parse(struct request *request);
bool org_parse_new(struct request *request);
bool project_parse(struct request *request);
bool project_parse_new(struct request *request);
bool service_parse(struct request *request);
bool service_parse_new(struct request *request);
bool role_parse(struct request *request);
bool token_parse(struct request *request);
bool key_parse(struct request *request);
bool introspect_parse(struct request *request);

/* ROUTE_READ and ROUTE_WRITE: on a registry thread. */
bool org_list(struct request *request, struct session *session);
bool org_create(struct request *request, struct session *session);
bool org_get(struct request *request, struct session *session);
bool org_edit(struct request *request, struct session *session);
bool org_delete(struct request *request, struct session *session);
bool project_list(struct request *request, struct session *session);
bool project_create(struct request *request, struct session *session);
bool project_get(struct request *request, struct session *session);
bool project_edit(struct request *request, struct session *session);
bool project_delete(struct request *request, struct session *session);
bool service_list(struct request *request, struct session *session);
bool service_create(struct request *request, struct session *session);
bool service_get(struct request *request, struct session *session);
bool service_edit(struct request *request, struct session *session);
bool service_delete(struct request *request, struct session *session);
bool service_set_role(struct request *request, struct session *session);
bool service_remove_role(struct request *request, struct session *session);
bool member_list(struct request *request, struct session *session);
bool member_set_role(struct request *request, struct session *session);
bool member_remove(struct request *request, struct session *session);
bool token_list(struct request *request, struct session *session);
bool token_issue(struct request *request, struct session *session);
bool token_revoke(struct request *request, struct session *session);
bool introspect(struct request *request, struct session *session);
bool audit_list(struct request *request, struct session *session);
bool key_list(struct request *request, struct session *session);
bool key_rotate(struct request *request, struct session *session);
bool key_delete(struct request *request, struct session *session);

#endif
