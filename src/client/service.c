/* The commands of services and their tokens that are more than a request. */
#include "client/list.h"

/* The token in an answer. */
static struct text token_of(const struct json *answer) {
    const struct json *token = json_member(answer, TEXT("token"));
    return token != NULL && json_is_string(token) ? json_text(token) : TEXT("(none came)");
}

static void token_say(struct client *client, const struct json *answer) {
    buffer_put(&client->out, client->is_quiet ? "" : "Access token: ");
    buffer_add(&client->out, token_of(answer));
    buffer_byte(&client->out, '\n');
}

/* {"service":{…},"token":"…","id":…}: the two answers in one. */
static struct text answers_join(struct client *client, const struct json *service,
                                const struct json *token) {
    struct buffer out = pool_buffer(&client->pool, OUTPUT_BYTES);
    const struct json *member = json_member(service, TEXT("service"));
    buffer_put(&out, "{\"service\":");
    json_write(member != NULL ? member : service, &out);
    for (struct json_iter i = json_iter(token); json_next(&i);) {
        buffer_byte(&out, ',');
        buffer_json(&out, i.key);
        buffer_byte(&out, ':');
        json_write(i.value, &out);
    }
    buffer_byte(&out, '}');
    client->out.overflow |= out.overflow;
    return buffer_text(&out);
}

enum status run_service_create(struct client *client, const struct call *call) {
    struct reply service, token;
    struct text path, said;
    struct error error;
    enum status status = client_request(client, call, TEXT(""), &service);
    if (status != STATUS_FINE)
        return status;
    check(client_fill(client, call, "/v1/orgs/{org}/services/{NAME}/tokens", true, &path));
    check(client_fill(client, call, "Created service \"{NAME}\" in org \"{org}\".", false, &said));
    path = client_target(client, call, path, TEXT(""));
    if (client_ask(client, "POST", path, TEXT("{}"), &token) != STATUS_FINE) {
        struct text name = call_operand(call);
        client_complain(client,
                        "service \"%.*s\" was created, but it has no token yet; issue one with: "
                        "mint service token issue %.*s",
                        (int)name.len, name.at, (int)name.len, name.at);
        return STATUS_FAILED;
    }
    if (client->format == FORMAT_HUMAN) {
        client_say(client, said);
        token_say(client, token.json);
        return STATUS_FINE;
    }
    const struct json *both =
        client_read_json(client, answers_join(client, service.json, token.json), &error);
    if (both != NULL)
        show_object(client, both);
    return STATUS_FINE;
}

/* Issues a token; `done` says what was done. */
static enum status token_issue(struct client *client, const struct call *call, const char *done) {
    struct reply reply;
    struct text said;
    if (!client_fill(client, call, done, false, &said))
        return STATUS_USAGE;
    enum status status = client_request(client, call, TEXT(""), &reply);
    if (status != STATUS_FINE)
        return status;
    if (client->format != FORMAT_HUMAN) {
        show_object(client, reply.json);
        return STATUS_FINE;
    }
    client_say(client, said);
    token_say(client, reply.json);
    const struct json *id = json_member(reply.json, TEXT("id"));
    if (id != NULL && !client->is_quiet) {
        buffer_put(&client->out, "Id, to revoke it: ");
        buffer_add(&client->out, show_cell(client, id, CELL_AUTO));
        buffer_byte(&client->out, '\n');
    }
    return STATUS_FINE;
}

enum status run_token_issue(struct client *client, const struct call *call) {
    return token_issue(client, call, "Issued a token for service \"{NAME}\" in org \"{org}\".");
}

enum status run_token_rotate(struct client *client, const struct call *call) {
    return token_issue(client, call,
                       "Issued a token for service \"{NAME}\" in org \"{org}\"; its other tokens "
                       "expire in {overlap} at the latest.");
}

/* As in Rill's documents the roles in projects show the projects' names alone: the table stays
 * narrow, and scripts written for it keep working. JSON and CSV give name and role. */
static const struct column org_columns[] = {
    {"NAME", "name", CELL_AUTO},
    {"ORG ROLE", "roleName", CELL_AUTO},
    {"PROJECT ROLES", "projectRoles", CELL_NAMES},
    {"ATTRIBUTES", "attributes", CELL_AUTO},
    {0},
};
/* In one project's list it is clear which project is meant: there the role is shown. */
static const struct column project_columns[] = {
    {"NAME", "name", CELL_AUTO},
    {"ORG ROLE", "orgRoleName", CELL_AUTO},
    {"PROJECT ROLES", "projectRoleName", CELL_AUTO},
    {"ATTRIBUTES", "attributes", CELL_AUTO},
    {0},
};

enum status run_service_list(struct client *client, const struct call *call) {
    bool is_project = call_has(call, "project");
    struct command command = *call->command;
    struct call own = *call;
    struct rows rows;
    own.command = &command;
    if (is_project)
        command.target = "/v1/orgs/{org}/projects/{project}/services";
    enum status status = list_read(client, &own, SIZE_MAX, &rows);
    if (status == STATUS_FINE)
        show_list(client, rows.at, rows.count, is_project ? project_columns : org_columns);
    return status;
}

static const struct column membership_columns[] = {
    {"PROJECT", "projectName", CELL_AUTO},
    {"ROLE", "projectRoleName", CELL_AUTO},
    {0},
};

enum status run_service_show(struct client *client, const struct call *call) {
    struct reply reply;
    enum status status = client_request(client, call, TEXT(""), &reply);
    if (status != STATUS_FINE)
        return status;
    const struct json *service = json_member(reply.json, TEXT("service"));
    const struct json *members = json_member(reply.json, TEXT("projectMemberships"));
    bool is_human = client->format == FORMAT_HUMAN;
    show_object(client, is_human && service != NULL ? service : reply.json);
    if (!is_human || members == NULL || json_count(members) == 0)
        return STATUS_FINE;
    struct rows rows;
    rows_of(client, members, &rows);
    buffer_byte(&client->out, '\n');
    show_list(client, rows.at, rows.count, membership_columns);
    return STATUS_FINE;
}

/* Which of the forms of set-role this is: the scope's path, and the role given in it. */
static bool role_read(struct client *client, const struct call *call, const char **ret_path,
                      struct text *ret_role) {
    bool has_project = call_has(call, "project"), is_remove = call_has(call, "remove");
    struct text org_role = call_flag(call, "org-role");
    struct text project_role = call_flag(call, "project-role");
    const char *wrong = NULL;
    if (has_project && org_role.at != NULL)
        wrong = "set one role at a time: --org-role, or --project with --project-role";
    else if (!has_project && project_role.at != NULL)
        wrong = "--project-role needs --project";
    else if (!is_remove && org_role.at == NULL && project_role.at == NULL)
        wrong = has_project ? "give --project-role, or --remove" : "give --org-role, or --remove";
    if (wrong != NULL) {
        (void)client_refuse(client, call, "%s", wrong);
        return false;
    }
    *ret_role = has_project ? project_role : org_role;
    if (has_project)
        *ret_path = is_remove ? "/v1/orgs/{org}/projects/{project}/services/{NAME}"
                              : "/v1/orgs/{org}/projects/{project}/services/{NAME}/role";
    else
        *ret_path = "/v1/orgs/{org}/services/{NAME}/role";
    return true;
}

enum status run_service_set_role(struct client *client, const struct call *call) {
    bool is_remove = call_has(call, "remove"), has_project = call_has(call, "project");
    const char *template;
    struct text role, path, said;
    struct reply reply;
    if (!role_read(client, call, &template, &role) ||
        !client_fill(client, call, template, true, &path))
        return STATUS_USAGE;
    enum status status = client_ask(
        client, is_remove ? "DELETE" : "PUT", client_target(client, call, path, TEXT("")),
        is_remove ? TEXT("") : client_body(client, "role", role), &reply);
    if (status != STATUS_FINE)
        return status;
    if (client->format != FORMAT_HUMAN) {
        show_object(client, reply.json);
        return STATUS_FINE;
    }
    template = is_remove
                   ? (has_project ? "Removed the role of service \"{NAME}\" in project "
                                    "\"{project}\"."
                                  : "Removed the role of service \"{NAME}\" in org \"{org}\".")
                   : (has_project ? "Set the role of service \"{NAME}\" in project "
                                    "\"{project}\" to {project-role}."
                                  : "Set the role of service \"{NAME}\" in org \"{org}\" to "
                                    "{org-role}.");
    check(client_fill(client, call, template, false, &said));
    client_say(client, said);
    return STATUS_FINE;
}
