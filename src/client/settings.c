/* The settings in force: flags over variables over the profile over the defaults. */
#include <stdlib.h>
#include <unistd.h>

#include "base/units.h"
#include "client/profile.h"
#include "client/run.h"

#define URL_DEFAULT "http://127.0.0.1:8080"
/* Above the lease and its margin (31 s): so long may a revoke wait for a replica that is cut
 * off. */
#define TIMEOUT_DEFAULT_S 60

struct text client_variable(const struct client *client, const char *name) {
    size_t len = strlen(name);
    for (char *const *entry = client->environment; entry != NULL && *entry != NULL; entry++)
        if (strncmp(*entry, name, len) == 0 && (*entry)[len] == '=' && (*entry)[len + 1] != '\0')
            return text_of(*entry + len + 1);
    return (struct text){0};
}

/* The first that is there. */
static struct text either(struct text first, struct text second) {
    return first.at != NULL ? first : second;
}

/* The flag, or its variable. */
static struct text given(const struct client *client, const struct call *call, const char *flag,
                         const char *variable) {
    return either(call_flag(call, flag), client_variable(client, variable));
}

static struct text without_slash(struct text url) {
    while (url.len > 0 && url.at[url.len - 1] == '/')
        url.len--;
    return url;
}

static bool is_dash(struct text text) {
    return text.at != NULL && text_equal(text, TEXT("-"));
}

static bool token_settle(struct client *client, const struct call *call,
                         const struct profile *profile) {
    struct text file = call_flag(call, "token-file");
    client->token = call_flag(call, "token");
    if (file.at != NULL && client->token.at != NULL) {
        (void)client_refuse(client, call, "give only one of --token and --token-file");
        return false;
    }
    if (is_dash(client->token) || is_dash(file)) {
        if (!client_read_text(client, TEXT("-"), false, &client->token))
            return false;
    } else if (file.at != NULL && !client_read_file(client, file.at, &client->token)) {
        return false;
    }
    client->token = either(client->token, client_variable(client, "MINT_TOKEN"));
    /* Another server is not to learn the token of the profile's. */
    if (client->token.at == NULL && text_equal(client->url, without_slash(profile->url)))
        client->token = profile->token;
    client->token = client_strip(client->token);
    return true;
}

static bool url_check(struct client *client, const struct call *call) {
    struct text url = client->url;
    if (text_starts(url, TEXT("http://")) || text_starts(url, TEXT("https://")) ||
        text_starts(url, TEXT("unix:/")))
        return true;
    (void)client_refuse(client, call,
                        "--url must start with http://, https:// or unix:/, not \"%.*s\"",
                        (int)url.len, url.at);
    return false;
}

static void terminal_settle(struct client *client, const struct call *call) {
    struct text term = client_variable(client, "TERM");
    bool may_color = !call_has(call, "no-color") &&
                     client_variable(client, "NO_COLOR").at == NULL && term.at != NULL &&
                     !text_equal(term, TEXT("dumb"));
    client->is_terminal = isatty(STDIN_FILENO) == 1 && isatty(STDERR_FILENO) == 1;
    for (int i = STDOUT_FILENO; i <= STDERR_FILENO; i++)
        client->has_color[i] = may_color && isatty(i) == 1;
}

bool client_settle(struct client *client, const struct call *call) {
    struct profile profile = {.url = TEXT(URL_DEFAULT)};
    struct text format = call_flag(call, "format"), timeout = call_flag(call, "timeout");
    struct text name = given(client, call, "profile", "MINT_PROFILE");
    terminal_settle(client, call);
    client->is_quiet = call_has(call, "quiet");
    client->is_yes = call_has(call, "yes");
    client->format = text_equal(format, TEXT("json"))  ? FORMAT_JSON
                     : text_equal(format, TEXT("csv")) ? FORMAT_CSV
                                                       : FORMAT_HUMAN;
    client->timeout_s = TIMEOUT_DEFAULT_S;
    if (timeout.at != NULL)
        check(unit_read(timeout, UNIT_S, UINT32_MAX, &client->timeout_s));
    client->profile = name.at != NULL ? name.at : PROFILE_DEFAULT;
    /* What writes a profile does not need to read it. */
    bool is_login = call->command->run == run_login;
    if (!is_login && !profile_read(client, name.at != NULL, &profile))
        return false;
    client->url = without_slash(either(given(client, call, "url", "MINT_URL"), profile.url));
    client->org = either(given(client, call, "org", "MINT_ORG"), profile.org);
    return url_check(client, call) && (is_login || token_settle(client, call, &profile));
}
