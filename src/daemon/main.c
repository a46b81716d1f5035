/* mintd: the subcommands and their flags. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "daemon/daemon.h"

static const struct command {
    const char *name;
    int (*run)(const struct invocation *invocation);
    const char *help;
    int operands; /* how many words that are no flags it takes */
} commands[] = {
    {"serve", command_serve, "serve until SIGTERM; with --init, initialise the data folder first",
     0},
    {"init", command_init,
     "make data folder, master key, registry and first key; print the operator token", 0},
    {"operator-token", command_operator_token,
     "make another operator token, for when the first was lost", 0},
    {"config", command_config, "print the settings in effect and where each comes from", 0},
    {"roles", command_roles, "print the roles, and who may call what, for the documents", 0},
    {"openapi", command_openapi, "print the OpenAPI document of the API", 0},
    {"audit verify", command_audit_verify,
     "check that no row of the audit record was changed, removed or cut off", 0},
    {"registry migrate", command_registry_migrate,
     "bring the registry's schema up to this program's version", 0},
    {"registry check", command_registry_check,
     "check that the registry is whole, and count what it holds", 0},
    {"registry restored", command_registry_restored,
     "say that a backup took the registry's place: what was remembered of it is void", 0},
    {"registry copy", command_registry_copy,
     "FROM-URL TO-URL: move everything into another registry", 2},
};

/* How many of the arguments are the words of the name; 0 if they are others. */
static int command_words(const char *name, int count, char *const *arguments) {
    int words = 0;
    for (const char *at = name; *at != '\0'; words++) {
        size_t len = strcspn(at, " ");
        if (words == count || strlen(arguments[words]) != len ||
            strncmp(arguments[words], at, len) != 0)
            return 0;
        at += len + (at[len] == ' ');
    }
    return words;
}

int fail_with(const struct error *error) {
    char message[512];
    struct buffer out = buffer_over(message, sizeof(message));
    error_message(error, &out);
    (void)fprintf(stderr, "mintd: %.*s\n", (int)out.len, out.at);
    return 1;
}

/* deploy/SETTINGS.md; a test compares the two. */
static void settings_page(struct buffer *out) {
    buffer_put(
        out, "# Settings of mintd\n\n"
             "From lowest to highest: the default, the file (`--config F` or `MINTD_CONFIG`, lines "
             "`name = value`, `#` comments), the environment (`MINTD_` and the name in capitals "
             "with `_`: `MINTD_MAX_TTL`), the flag.\n"
             "`mintd config` prints what is in effect and where each comes from. SIGHUP reads file "
             "and environment again and takes on the rows with a yes; a broken file changes "
             "nothing.\n"
             "This page is what `mintd config --markdown` prints.\n\n");
    config_markdown(out);
}

int command_config(const struct invocation *invocation) {
    static char memory[65536];
    struct buffer out = buffer_over(memory, sizeof(memory));
    if (invocation->markdown)
        settings_page(&out);
    else
        config_print(invocation->config, &out);
    check(!out.overflow);
    (void)fwrite(out.at, 1, out.len, stdout);
    return 0;
}

static void help_print(FILE *to) {
    static char memory[65536];
    struct buffer out = buffer_over(memory, sizeof(memory));
    buffer_put(&out,
               "mintd " MINTD_VERSION " - mints short-lived Ed25519 JWTs for service tokens\n\n"
               "usage: mintd COMMAND [FLAGS]\n\ncommands:\n");
    for (size_t i = 0; i < array_count(commands); i++)
        buffer_format(&out, "  %-17s %s\n", commands[i].name, commands[i].help);
    buffer_put(&out,
               "  version           print the version\n"
               "  help              print this\n\n"
               "flags of serve and init:\n"
               "  --init                    serve: initialise on the first start\n"
               "  --operator-token-file F   write the operator token to F (0600) instead of "
               "printing it\n"
               "  --operator-token-ttl T    operator-token: it expires after T, such as 8h\n"
               "  --ready-file F            serve: write pid and addresses to F once serving\n"
               "  --config F                read settings from F\n"
               "  --markdown                config: every setting, for the documents\n\n"
               "settings (also MINTD_NAME in the environment and name = value in the file):\n");
    config_help(&out);
    check(!out.overflow);
    (void)fwrite(out.at, 1, out.len, to);
}

/* Flags of subcommands: how many arguments one takes, 0 if it is none of ours. */
static int flag_take(void *self, int count, char *const *arguments) {
    struct invocation *invocation = self;
    const struct {
        const char *name;
        const char **value;
    } flags[] = {{"--operator-token-file", &invocation->operator_token_file},
                 {"--operator-token-ttl", &invocation->operator_token_ttl},
                 {"--ready-file", &invocation->ready_file}};
    if (arguments[0][0] != '-' && invocation->operand_count < invocation->operand_max) {
        invocation->operands[invocation->operand_count++] = arguments[0];
        return 1;
    }
    if (strcmp(arguments[0], "--init") == 0)
        return invocation->init = true;
    if (strcmp(arguments[0], "--markdown") == 0)
        return invocation->markdown = true;
    for (size_t i = 0; i < array_count(flags); i++) {
        size_t len = strlen(flags[i].name);
        if (strncmp(arguments[0], flags[i].name, len) != 0)
            continue;
        if (arguments[0][len] == '=') {
            *flags[i].value = arguments[0] + len + 1;
            return 1;
        }
        if (arguments[0][len] == '\0' && count > 1) {
            *flags[i].value = arguments[1];
            return 2;
        }
    }
    return 0;
}

/* No secret reaches a core file or a debugger of another user. */
static void process_close_up(void) {
    (void)umask(077);
    (void)setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    (void)prctl(PR_SET_DUMPABLE, 0); /* the sanitizers look into their own process */
#endif
}

static int command_run(const struct command *command, int count, char *const *arguments) {
    struct invocation invocation = {.operand_max = command->operands};
    struct error error;
    if (!config_read(count, arguments, environ, flag_take, &invocation, &invocation.config,
                     &error)) {
        (void)fail_with(&error);
        (void)fprintf(stderr, "mintd: 'mintd help' lists every flag and setting\n");
        return 2;
    }
    config_settle(invocation.config);
    invocation.settings = config_settings(invocation.config);
    int status = command->run(&invocation);
    config_free(invocation.config);
    return status;
}

int main(int count, char **arguments) {
    const char *name = count > 1 ? arguments[1] : "help";
    process_close_up();
    if (!token_start()) {
        (void)fprintf(stderr, "mintd: libsodium cannot start\n");
        return 1;
    }
    for (int i = 1; i < count; i++)
        if (strcmp(arguments[i], "--help") == 0 || strcmp(arguments[i], "-h") == 0)
            name = "help";
    if (strcmp(name, "help") == 0) {
        help_print(count > 1 ? stdout : stderr);
        return count > 1 ? 0 : 2;
    }
    if (strcmp(name, "version") == 0 || strcmp(name, "--version") == 0) {
        (void)printf("mintd %s\n", MINTD_VERSION);
        return 0;
    }
    for (size_t i = 0; i < array_count(commands); i++) {
        int words = command_words(commands[i].name, count - 1, arguments + 1);
        if (words > 0)
            return command_run(&commands[i], count - 1 - words, arguments + 1 + words);
    }
    (void)fprintf(stderr, "mintd: there is no command '%s'; 'mintd help' lists them\n", name);
    return 2;
}
