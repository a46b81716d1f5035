/* Every command of mint once: parsing, help, completion and the man page are made from these
 * rows. */
#include "client/run.h"

#define END \
    { 0 }

const struct flag global_flags[] = {
    {"url", "URL", FLAG_TEXT, NULL,
     "mintd's address; unix:/path for a socket (MINT_URL; default http://127.0.0.1:8080)"},
    {"org", "NAME", FLAG_TEXT, NULL, "the org (MINT_ORG)"},
    {"token", "TOKEN", FLAG_TEXT, NULL,
     "a service or operator token; others may see it in ps, so better set MINT_TOKEN"},
    {"token-file", "FILE", FLAG_TEXT, NULL, "the file that holds the token; - for standard input"},
    {"profile", "NAME", FLAG_TEXT, NULL, "settings that mint login wrote (MINT_PROFILE)"},
    {"format", "human|json|csv", FLAG_CHOICE, NULL,
     "how to print data; json and csv leave nothing out"},
    {"timeout", "TIME", FLAG_TIME, NULL, "how long to wait for an answer (default 60s)"},
    {"yes", NULL, FLAG_BOOL, NULL, "-y: do not ask before something is deleted"},
    {"quiet", NULL, FLAG_BOOL, NULL, "-q: print data alone, and no word on success"},
    {"no-color", NULL, FLAG_BOOL, NULL, "no colors, also on a terminal (NO_COLOR)"},
    {"help", NULL, FLAG_BOOL, NULL, "-h: what a command does and takes"},
    END,
};

/* Of all commands that change something. */
#define WAIT_FLAG \
    { \
        "no-wait", NULL, FLAG_BOOL, "?wait=0", \
            "do not wait until every replica has applied it; says by when they have" \
    }
static const struct flag wait_flags[] = {WAIT_FLAG, END};

static const struct flag org_create_flags[] = {
    {"display-name", "TEXT", FLAG_TEXT, "display_name", "name for people"},
    WAIT_FLAG,
    END,
};
static const struct flag org_edit_flags[] = {
    {"new-name", "NAME", FLAG_TEXT, "new_name", "rename it"},
    {"display-name", "TEXT", FLAG_TEXT, "display_name", "name for people"},
    WAIT_FLAG,
    END,
};

#define PROJECT_FLAGS \
    {"description", "TEXT", FLAG_TEXT, "description", "what it is"}, \
        {"runtime-host", "URL", FLAG_TEXT, "runtime_host", "where its dashboards are served"}, \
        {"audience", "TEXT", FLAG_TEXT, "audience", \
         "the aud claim of its credentials (default: the runtime host)"}, \
        {"frontend-url", "URL", FLAG_TEXT, "frontend_url", "start of its iframe URLs"}, \
        {"primary-branch", "NAME", FLAG_TEXT, "primary_branch", "the branch that is deployed"}, \
        {"default-ttl", "TIME", FLAG_TIME, "default_ttl_seconds", \
         "life of a credential when the request does not say; 0: the server's"}, \
        {"max-ttl", "TIME", FLAG_TIME, "max_ttl_seconds", \
         "longest life of a credential; 0: the server's"}, \
        {"max-token-bytes", "SIZE", FLAG_SIZE, "max_token_bytes", "largest credential; 0: 4096"}, \
    { \
        "jwt-alg", "EdDSA|Ed25519", FLAG_CHOICE, "jwt_alg", \
            "name of the algorithm in the header; Ed25519 is RFC 9864's" \
    }
static const struct flag project_create_flags[] = {PROJECT_FLAGS, WAIT_FLAG, END};
static const struct flag project_edit_flags[] = {
    {"new-name", "NAME", FLAG_TEXT, "new_name", "rename it"}, PROJECT_FLAGS, WAIT_FLAG, END};

#define ORG_ROLES "admin|editor|viewer|guest|issuer"
#define PROJECT_ROLES "admin|editor|viewer|issuer"
#define ATTRIBUTES "a JSON object, @FILE, or - for standard input"

static const struct flag service_create_flags[] = {
    {"org-role", ORG_ROLES, FLAG_CHOICE, "org_role_name", "its role in the org"},
    {"project", "NAME", FLAG_TEXT, "project", "a project in which it has a role"},
    {"project-role", PROJECT_ROLES, FLAG_CHOICE, "project_role_name", "its role there"},
    {"attributes", "JSON", FLAG_JSON, "attributes",
     "attributes of the service itself: " ATTRIBUTES},
    {"policy", "JSON", FLAG_JSON, "policy", "what its tokens may mint: " ATTRIBUTES},
    WAIT_FLAG,
    END,
};
static const struct flag service_list_flags[] = {
    {"project", "NAME", FLAG_TEXT, NULL, "only those with a role in this project"},
    END,
};
static const struct flag service_edit_flags[] = {
    {"new-name", "NAME", FLAG_TEXT, "new_name", "rename it"},
    {"attributes", "JSON", FLAG_JSON, "attributes", "replaces all attributes: " ATTRIBUTES},
    {"policy", "JSON", FLAG_JSON, "policy", "replaces the policy: " ATTRIBUTES},
    WAIT_FLAG,
    END,
};
static const struct flag service_set_role_flags[] = {
    {"org-role", ORG_ROLES, FLAG_CHOICE, NULL, "its role in the org"},
    {"project", "NAME", FLAG_TEXT, NULL, "set the role in this project, not in the org"},
    {"project-role", PROJECT_ROLES, FLAG_CHOICE, NULL, "its role there"},
    {"remove", NULL, FLAG_BOOL, NULL, "take the role away"},
    WAIT_FLAG,
    END,
};
#define TOKEN_FLAGS \
    {"ttl", "TIME", FLAG_TIME, "ttl_seconds", "how long it is valid (default: for ever)"}, { \
        "description", "TEXT", FLAG_TEXT, "description", \
            "who uses it, for mint service token list" \
    }
static const struct flag token_issue_flags[] = {TOKEN_FLAGS, WAIT_FLAG, END};
static const struct flag token_rotate_flags[] = {
    {"overlap", "TIME", FLAG_TIME, "rotate_overlap_seconds",
     "how long the old tokens stay valid, such as 72h; 0s ends them at once"},
    TOKEN_FLAGS,
    WAIT_FLAG,
    END,
};

#define ISSUE_FLAGS \
    {"project", "NAME", FLAG_TEXT, NULL, "the project that the credential is for"}, \
        {"email", "EMAIL", FLAG_TEXT, "user_email", "for the user with this address"}, \
        {"attributes", "JSON", FLAG_JSON, "attributes", \
         "for a user with these attributes: " ATTRIBUTES}, \
        {"user-id", "ID", FLAG_TEXT, "user_id", "for the user with this id"}, \
        {"external-user-id", "ID", FLAG_TEXT, "external_user_id", \
         "your own id of the user; sub is made of it, hashed"}, \
        {"ttl", "TIME", FLAG_TIME, "ttl_seconds", "its life (default: the project's)"}, \
        {"service", "NAME", FLAG_TEXT, "?service", \
         "with the operator's token: as this service, with its roles and policy"}, \
    { \
        "branch", "NAME", FLAG_TEXT, "branch", "must be the project's primary branch" \
    }

static const struct flag issue_flags[] = {
    ISSUE_FLAGS,
    {"explain", NULL, FLAG_BOOL, "?explain", "print what would be minted and why, without a token"},
    END,
};
static const struct flag iframe_flags[] = {
    ISSUE_FLAGS,
    {"resource", "NAME", FLAG_TEXT, "resource", "what to show; needed unless --navigation"},
    {"type", "TYPE", FLAG_TEXT, "type", "its type: explore (default), canvas and so on"},
    {"theme", "NAME", FLAG_TEXT, "theme", "theme of the dashboard"},
    {"theme-mode", "light|dark|system", FLAG_CHOICE, "theme_mode", "light or dark"},
    {"navigation", NULL, FLAG_BOOL, "navigation", "let the user go to other dashboards"},
    {"hide-navigation-bar", NULL, FLAG_BOOL, "hide_navigation_bar", "without the bar for it"},
    {"state", "TEXT", FLAG_TEXT, "state", "state to start with"},
    {"query", "KEY=VALUE", FLAG_PAIR, "query", "adds to the URL, or replaces; may be given again"},
    END,
};
static const struct flag verify_flags[] = {
    {"jwks", "URL|FILE", FLAG_TEXT, NULL,
     "keys from elsewhere; the issuer is then as --issuer says"},
    {"issuer", "URL", FLAG_TEXT, NULL, "the iss that it must have (default: the server's)"},
    {"audience", "TEXT", FLAG_TEXT, NULL, "must be in its aud"},
    {"leeway", "TIME", FLAG_TIME, NULL, "by how much clocks may differ (default 0s)"},
    END,
};
static const struct flag bench_flags[] = {
    {"rate", "N", FLAG_NUMBER, NULL,
     "open loop: N requests a second, whatever the answers do; without it each connection sends "
     "when its answer has come (closed loop)"},
    {"connections", "N", FLAG_NUMBER, NULL, "how many (default 32)"},
    {"pipeline", "N", FLAG_NUMBER, NULL, "requests under way on one connection (default 1)"},
    {"no-keep-alive", NULL, FLAG_BOOL, NULL, "a new connection for each request"},
    {"threads", "N", FLAG_NUMBER, NULL, "threads that send (default 1)"},
    {"spin", NULL, FLAG_BOOL, NULL,
     "never sleep: each thread takes a core of its own, and latencies hold nothing of what a sleep "
     "and the waking from it take"},
    {"duration", "TIME", FLAG_TIME, NULL, "how long to measure (default 10s)"},
    {"warmup", "TIME", FLAG_TIME, NULL, "how long to send before that (default 1s)"},
    {"find-knee", NULL, FLAG_BOOL, NULL,
     "raise the rate, from --rate on (default 1000), until it is not kept up with; then measure at "
     "70 % of the highest that was"},
    {"step", "TIME", FLAG_TIME, NULL, "how long to try each rate for --find-knee (default 3s)"},
    {"html", "FILE", FLAG_TEXT, NULL, "write a page with plots, which needs nothing else"},
    ISSUE_FLAGS,
    {"attributes-size", "SIZE", FLAG_SIZE, NULL, "attributes of about this size"},
    {"batch", "N", FLAG_NUMBER, NULL, "ask for N credentials at once"},
    {"tokens", "FILE", FLAG_TEXT, NULL, "service tokens, one a line, which take turns"},
    {"warm", "PERCENT", FLAG_NUMBER, NULL,
     "of the requests use the first of --tokens, the others the rest in turn"},
    {"verify", "N", FLAG_NUMBER, NULL,
     "check the signatures in a fair sample of N answers, after the run (default 1000)"},
    {"jwks", "URL|FILE", FLAG_TEXT, NULL, "the keys for --verify (default: the server's)"},
    {"target", "URL", FLAG_TEXT, NULL,
     "any other HTTP server instead of mintd; gets no token but those of --tokens"},
    {"method", "NAME", FLAG_TEXT, NULL, "with --target (default GET; POST with a body)"},
    {"header", "TEXT", FLAG_TEXT, NULL, "\"Name: value\"; may be given again"},
    {"body", "TEXT", FLAG_TEXT, NULL, "with --target: a text, @FILE, or - for standard input"},
    {"expect-json-field", "NAME", FLAG_TEXT, NULL,
     "every answer must be a JSON object with this text in it"},
    {"allow-remote", NULL, FLAG_BOOL, NULL, "the target may be another machine"},
    {"calibrate", NULL, FLAG_BOOL, NULL,
     "measure mint itself, against a server within it that does nothing"},
    END,
};
static const struct flag audit_flags[] = {
    {"limit", "N", FLAG_NUMBER, NULL, "only the newest N records"},
    END,
};
static const struct flag audit_verify_flags[] = {
    {"head", "ID:HASH", FLAG_TEXT, NULL, "the head that an earlier run printed must be there"},
    END,
};

static const struct flag key_rotate_flags[] = {
    {"immediately", NULL, FLAG_BOOL, "immediately",
     "sign with the new key at once, for one that was stolen: verifiers refuse what is minted "
     "until they have renewed their copy of the JWKS"},
    WAIT_FLAG,
    END,
};

static const struct column org_columns[] = {
    {"NAME", "name", CELL_AUTO},
    {"DISPLAY NAME", "displayName", CELL_AUTO},
    {"CREATED", "createdOn", CELL_TIME},
    END,
};
static const struct column project_columns[] = {
    {"NAME", "name", CELL_AUTO},
    {"RUNTIME HOST", "runtimeHost", CELL_AUTO},
    {"DESCRIPTION", "description", CELL_AUTO},
    {"CREATED", "createdOn", CELL_TIME},
    END,
};
static const struct column token_columns[] = {
    {"ID", "id", CELL_AUTO},
    {"PREFIX", "prefix", CELL_AUTO},
    {"DESCRIPTION", "description", CELL_AUTO},
    {"CREATED", "createdOn", CELL_TIME},
    {"EXPIRES", "expiresOn", CELL_TIME},
    {"LAST USED", "lastUsedOn", CELL_TIME},
    {"FROM", "lastUsedAddress", CELL_AUTO},
    END,
};
static const struct column key_columns[] = {
    {"KID", "kid", CELL_AUTO},           {"STATE", "state", CELL_AUTO},
    {"CREATED", "createdOn", CELL_TIME}, {"ACTIVATED", "activatedOn", CELL_TIME},
    {"RETIRED", "retiredOn", CELL_TIME}, {"NEXT", "nextState", CELL_AUTO},
    {"ON", "nextOn", CELL_TIME},         END,
};

static const struct column replica_columns[] = {
    {"NAME", "name", CELL_AUTO},
    {"APPLIED", "appliedSeq", CELL_AUTO},
    {"REPORT AGE MS", "reportAgeMilliseconds", CELL_AUTO},
    {"LEASE", "lease", CELL_AUTO},
    {"LEFT MS", "leaseLeftMilliseconds", CELL_AUTO},
    END,
};

const struct command commands[] = {
    {.path = "org create",
     .operand = "NAME",
     .operand_field = "name",
     .flags = org_create_flags,
     .summary = "make an org",
     .description = "Makes an org, which holds projects and services. Only the operator may.",
     .example = "mint org create acme --display-name 'Acme Corp.'",
     .method = "POST",
     .target = "/v1/orgs",
     .done = "Created org \"{NAME}\"."},
    {.path = "org list",
     .summary = "list the orgs that the token can see",
     .description = "Lists the orgs that the token can see.",
     .example = "mint org list",
     .method = "GET",
     .target = "/v1/orgs",
     .columns = org_columns},
    {.path = "org show",
     .operand = "[NAME]",
     .summary = "show an org",
     .description = "Shows an org: the one named, or the one set by --org.",
     .example = "mint org show acme",
     .method = "GET",
     .target = "/v1/orgs/{NAME|org}"},
    {.path = "org edit",
     .operand = "NAME",
     .flags = org_edit_flags,
     .summary = "rename an org, or name it anew for people",
     .description = "Changes an org's names; what is not given stays.",
     .example = "mint org edit acme --new-name acme-inc",
     .method = "PATCH",
     .target = "/v1/orgs/{NAME}",
     .done = "Updated org \"{NAME}\"."},
    {.path = "org delete",
     .operand = "NAME",
     .flags = wait_flags,
     .summary = "delete an empty org",
     .description = "Deletes an org that has no projects and no services any more.",
     .example = "mint org delete acme",
     .method = "DELETE",
     .target = "/v1/orgs/{NAME}",
     .confirm = "Delete org \"{NAME}\"?",
     .done = "Deleted org \"{NAME}\"."},

    {.path = "project create",
     .operand = "NAME",
     .operand_field = "name",
     .flags = project_create_flags,
     .summary = "make a project",
     .description = "Makes a project: what credentials are issued for.",
     .example = "mint project create dashboards --runtime-host https://runtime.example",
     .method = "POST",
     .target = "/v1/orgs/{org}/projects",
     .done = "Created project \"{NAME}\" in org \"{org}\"."},
    {.path = "project list",
     .summary = "list the org's projects",
     .description = "Lists the org's projects.",
     .example = "mint project list --org acme",
     .method = "GET",
     .target = "/v1/orgs/{org}/projects",
     .columns = project_columns},
    {.path = "project show",
     .operand = "NAME",
     .summary = "show a project",
     .description = "Shows a project with all its settings.",
     .example = "mint project show dashboards",
     .method = "GET",
     .target = "/v1/orgs/{org}/projects/{NAME}"},
    {.path = "project edit",
     .operand = "NAME",
     .flags = project_edit_flags,
     .summary = "change a project's settings",
     .description = "Changes a project; what is not given stays.",
     .example = "mint project edit dashboards --max-ttl 8h",
     .method = "PATCH",
     .target = "/v1/orgs/{org}/projects/{NAME}",
     .done = "Updated project \"{NAME}\"."},
    {.path = "project delete",
     .operand = "NAME",
     .flags = wait_flags,
     .summary = "delete a project",
     .description =
         "Deletes a project and every role in it; credentials are minted for it no more.",
     .example = "mint project delete dashboards",
     .method = "DELETE",
     .target = "/v1/orgs/{org}/projects/{NAME}",
     .confirm = "Delete project \"{NAME}\" of org \"{org}\" and every role in it?",
     .done = "Deleted project \"{NAME}\"."},

    {.path = "service create",
     .operand = "NAME",
     .operand_field = "name",
     .flags = service_create_flags,
     .summary = "make a service and its first token",
     .description =
         "Makes a service, which mints credentials or manages the org, and issues its "
         "first token. The token is shown this once. Give it at least one role; issuer in "
         "one project is the least that a gateway needs.",
     .example = "mint service create gateway --project dashboards --project-role issuer",
     .method = "POST",
     .target = "/v1/orgs/{org}/services",
     .run = run_service_create},
    {.path = "service list",
     .flags = service_list_flags,
     .summary = "list the org's services",
     .description =
         "Lists the org's services with their roles and attributes; the roles in projects "
         "by the projects' names (--format json or csv gives the roles).",
     .example = "mint service list --org acme",
     .method = "GET",
     .target = "/v1/orgs/{org}/services",
     .run = run_service_list},
    {.path = "service show",
     .operand = "NAME",
     .summary = "show a service and its roles",
     .description = "Shows a service and its roles in projects.",
     .example = "mint service show gateway",
     .method = "GET",
     .target = "/v1/orgs/{org}/services/{NAME}",
     .run = run_service_show},
    {.path = "service edit",
     .operand = "NAME",
     .flags = service_edit_flags,
     .summary = "rename a service, or replace its attributes or policy",
     .description = "Changes a service; what is not given stays, {} clears.",
     .example = "mint service edit gateway --attributes '{\"region\":\"eu-west\"}'",
     .method = "PATCH",
     .target = "/v1/orgs/{org}/services/{NAME}",
     .done = "Updated service \"{NAME}\"."},
    {.path = "service set-role",
     .operand = "NAME",
     .flags = service_set_role_flags,
     .summary = "give a service a role, or take one away",
     .description = "Sets the service's role in the org, or with --project in a project. When the "
                    "command returns, no replica acts on the old role any more.",
     .example = "mint service set-role gateway --project dashboards --project-role issuer\n"
                "mint service set-role gateway --org-role viewer --remove",
     .run = run_service_set_role},
    {.path = "service delete",
     .operand = "NAME",
     .flags = wait_flags,
     .summary = "delete a service and its tokens",
     .description = "Deletes a service. When the command returns, none of its tokens is good for "
                    "anything any more.",
     .example = "mint service delete gateway",
     .method = "DELETE",
     .target = "/v1/orgs/{org}/services/{NAME}",
     .confirm = "Delete service \"{NAME}\" of org \"{org}\" and all its tokens?",
     .done = "Deleted service \"{NAME}\"."},
    {.path = "service token issue",
     .operand = "NAME",
     .flags = token_issue_flags,
     .summary = "issue one more token of a service",
     .description =
         "Issues one more token of a service, shown this once; the others stay as they are.",
     .example = "mint service token issue gateway --ttl 90d --description blue",
     .method = "POST",
     .target = "/v1/orgs/{org}/services/{NAME}/tokens",
     .run = run_token_issue},
    {.path = "service token rotate",
     .operand = "NAME",
     .flags = token_rotate_flags,
     .summary = "issue a new token, and let the old ones expire",
     .description =
         "Issues a new token of a service, shown this once, and lets all others expire after the "
         "overlap. Put the new one in place meanwhile: mint service token list shows when an old "
         "one was used last. Credentials that the old ones minted stay good.",
     .example = "mint service token rotate gateway --overlap 72h",
     .method = "POST",
     .target = "/v1/orgs/{org}/services/{NAME}/tokens",
     .run = run_token_rotate},
    {.path = "service token list",
     .operand = "NAME",
     .summary = "list a service's tokens",
     .description =
         "Lists a service's tokens that were not revoked: when they were made, expire and were "
         "used last, and from where.",
     .example = "mint service token list gateway",
     .method = "GET",
     .target = "/v1/orgs/{org}/services/{NAME}/tokens",
     .columns = token_columns},
    {.path = "service token revoke",
     .operand = "ID",
     .flags = wait_flags,
     .summary = "revoke a token by its id",
     .description =
         "Revokes a token, by the id that mint service token list shows. When the command "
         "returns, no replica mints for it any more.",
     .example = "mint service token revoke 0d5e2a9c-7f64-4a10-9b60-6a1e6f0f2b1d",
     .method = "DELETE",
     .target = "/v1/services/tokens/{ID}",
     .confirm = "Revoke token {ID}?",
     .done = "Revoked token {ID}."},

    {.path = "issue",
     .flags = issue_flags,
     .summary = "mint a credential",
     .description =
         "Mints a credential for a user of a project's dashboards and prints the JWT alone. "
         "Name the user by --email, --attributes or --user-id; without any of them it is "
         "for the service itself. --format json prints the whole answer.",
     .example =
         "mint issue --project dashboards --email ann@example.com --ttl 1h\n"
         "mint issue --project dashboards --attributes '{\"tenant\":\"acme\"}' | mint verify -",
     .method = "POST",
     .target = "/v1/orgs/{org}/projects/{project}/credentials",
     .run = run_issue},
    {.path = "iframe",
     .flags = iframe_flags,
     .summary = "mint a credential and the URL to embed",
     .description =
         "Mints a credential and prints the URL of an iframe that shows a dashboard to its "
         "user. --format json prints the whole answer.",
     .example = "mint iframe --project dashboards --resource sales --email ann@example.com",
     .method = "POST",
     .target = "/v1/orgs/{org}/projects/{project}/iframe",
     .run = run_iframe},
    {.path = "verify",
     .operand = "[JWT]",
     .flags = verify_flags,
     .summary = "check a credential",
     .description =
         "Checks a credential's signature, issuer and times by the server's keys, and prints "
         "its header and claims. Reads it from standard input if it is - or not given. "
         "Ends with 0 if it is valid, else with 1.",
     .example = "mint issue --project dashboards | mint verify\n"
                "mint verify --jwks keys.json --issuer https://mint.example eyJhbGciOi...",
     .run = run_verify},

    {.path = "key list",
     .summary = "list the signing keys",
     .description = "Lists the signing keys: their states, since when, and what comes next. Only "
                    "the operator may.",
     .example = "mint key list",
     .method = "GET",
     .target = "/v1/keys",
     .columns = key_columns},
    {.path = "key rotate",
     .flags = key_rotate_flags,
     .summary = "start the rotation of the signing key",
     .description =
         "Makes a new signing key. It is published first and signs once every verifier has "
         "had time to learn it; what the old key signed stays good. Only the operator may.",
     .example = "mint key rotate\n"
                "mint key rotate --immediately",
     .method = "POST",
     .target = "/v1/keys/rotate"},
    {.path = "key delete",
     .operand = "KID",
     .flags = wait_flags,
     .summary = "remove a signing key before its time",
     .description =
         "Removes a retired or pending key. What a retired one signed is refused from now on, by "
         "verifiers once they have renewed their copy of the JWKS. For the key that signs: mint "
         "key rotate --immediately first. Only the operator may.",
     .example = "mint key delete kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k",
     .method = "DELETE",
     .target = "/v1/keys/{KID}",
     .confirm = "Delete the key \"{KID}\" and make worthless what it signed?",
     .done = "Deleted key \"{KID}\"."},
    {.path = "replica list",
     .summary = "list the replicas",
     .description = "Lists the replicas as the one that answers knows them: how far each has "
                    "applied the changes, how long ago it reported, and whether it may hold a "
                    "lease, without which it mints only what the registry confirms. Only the "
                    "operator may.",
     .example = "mint replica list",
     .method = "GET",
     .target = "/v1/replicas",
     .columns = replica_columns},
    {.path = "audit",
     .flags = audit_flags,
     .summary = "show what was changed, and tried in vain, by whom",
     .description = "Shows the audit records, the newest first: those of the org, or without --org "
                    "all that the token may see.",
     .example = "mint audit --limit 20",
     .method = "GET",
     .target = "/v1/audit",
     .run = run_audit},
    {.path = "audit verify",
     .flags = audit_verify_flags,
     .summary = "check that the audit record is whole",
     .description =
         "Follows the chain of all audit records and tells which was changed or removed, if any. "
         "Prints the head, the newest record's id and hash: keep it elsewhere and give it to the "
         "next run as --head, so that a record cut off at its end shows too, and one that was made "
         "anew. Only the operator sees every record.",
     .example = "mint audit verify --head 1234:0c6d...",
     .method = "GET",
     .target = "/v1/audit",
     .run = run_audit_verify},
    {.path = "roles",
     .summary = "list the roles and what they allow",
     .description = "Lists the roles in orgs and projects and the permissions that they hold.",
     .example = "mint roles",
     .method = "GET",
     .target = "/v1/roles",
     .run = run_roles},
    {.path = "bench",
     .flags = bench_flags,
     .summary = "measure how fast credentials are minted",
     .description =
         "Sends requests and shows throughput and latency percentiles. With --rate latency counts "
         "from the moment when a request was due, so that a stall of the server shows in all that "
         "it delayed; without it a stalled server is sent less, which hides the stall. Checks the "
         "signatures of a sample, and tells what mint itself cost. --timeout is that of a request "
         "(default 5s). Ctrl-C ends it early, with what it has. Ends with 1 if any request failed.",
     .example = "mint bench --project dashboards --rate 2000 --duration 30s --html bench.html\n"
                "mint bench --project dashboards --find-knee\n"
                "mint bench --target http://127.0.0.1:3000/token --body @body.json "
                "--expect-json-field access_token",
     .method = "POST",
     .target = "/v1/orgs/{org}/projects/{project}/credentials",
     .run = run_bench},

    {.path = "login",
     .summary = "keep address, org and token in a profile",
     .description =
         "Writes a profile with --url, --org and the token, to be used when neither flag nor "
         "variable says otherwise. The token is asked for on a terminal, else read from "
         "standard input or --token-file. A profile's token is sent to the profile's url "
         "only.",
     .example =
         "mint login --url https://mint.example --org acme\n"
         "mint login --profile staging --token-file token.txt --url https://mint.staging.example",
     .run = run_login},
    {.path = "ping",
     .summary = "ask whether the server is there",
     .description = "Asks the server for its version and time; needs no token.",
     .example = "mint ping --url https://mint.example",
     .run = run_ping},
    {.path = "version",
     .summary = "print the version of mint",
     .description = "Prints the version of this program.",
     .example = "mint version",
     .run = run_version},
    {.path = "completion",
     .operand = "bash|zsh|fish",
     .summary = "print a shell's completion script",
     .description = "Prints a script that completes commands and flags in the shell named.",
     .example = "source <(mint completion bash)\n"
                "mint completion zsh > \"${fpath[1]}/_mint\"\n"
                "mint completion fish > ~/.config/fish/completions/mint.fish",
     .run = run_completion},
    {.path = "help",
     .operand = "[COMMAND...]",
     .summary = "tell of a command",
     .description = "Tells what a command does and takes, like its --help.",
     .example = "mint help service create",
     .run = run_help},
    {.path = "man",
     .summary = "print the man page",
     .description = "Prints the manual page in roff.",
     .example = "mint man | man -l -",
     .run = run_man,
     .is_hidden = true},
    {.path = "__complete",
     .operand = "[WORD...]",
     .summary = "what may follow these words",
     .description = "Prints what may follow these words, for the completion scripts.",
     .example = "mint __complete service",
     .run = run_complete,
     .is_hidden = true},
};
const size_t command_count = array_count(commands);
