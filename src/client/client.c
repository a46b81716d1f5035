/* The client as a whole: command line, settings, command, exit status. */
#include "client/fetch.h"
#include "client/list.h"

#include <signal.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"
#include "token/keyring.h"

/* Other users can read the arguments in ps: from now on there is nothing to be seen. What was
 * taken of them was copied. */
static void token_hide(struct client *client, struct call *call) {
    for (size_t i = 0; i < call->flag_count; i++) {
        struct text *value = &call->flags[i].value;
        if (strcmp(call->flags[i].flag->name, "token") != 0)
            continue;
        char *argument = (char *)(uintptr_t)value->at;
        size_t len = value->len;
        *value = pool_copy(&client->pool, *value);
        memset(argument, '*', len);
    }
}

static enum status call_run(struct client *client, const struct call *call) {
    bool wants_help = call_has(call, "help");
    if (wants_help) {
        help_write(call->path, &client->out);
        return STATUS_FINE;
    }
    if (call->command == NULL) {
        struct buffer help = pool_buffer(&client->pool, OUTPUT_BYTES);
        help_write(call->path, &help);
        (void)!write(STDERR_FILENO, help.at, help.len);
        return STATUS_USAGE;
    }
    if (!client_settle(client, call))
        return STATUS_USAGE;
    enum status status = command_run(client, call);
    if (client->changed != NULL)
        client_receipt(client, client->changed);
    return status;
}

int client_main(int count, char **arguments, char *const *environment) {
    struct client client = {.environment = environment, .now_s = clock_wall_s()};
    struct call call;
    char memory[512];
    struct buffer message = buffer_over(memory, sizeof(memory));
    enum status status;
    (void)signal(SIGPIPE, SIG_IGN); /* a reader that has had enough is no reason to die untidily */
    if (!token_start()) {
        client_complain(&client, "libsodium cannot start");
        return STATUS_FAILED;
    }
    client.out = pool_buffer(&client.pool, OUTPUT_BYTES);
    client.scratch = pool_buffer(&client.pool, OUTPUT_BYTES);
    if (!call_read(count - 1, arguments + 1, &call, &message)) {
        status = client_refuse(&client, &call, "%.*s", (int)message.len, message.at);
    } else {
        token_hide(&client, &call);
        status = call_run(&client, &call);
    }
    client_flush(&client);
    fetch_close(client.fetch);
    pool_close(&client.pool);
    return client.is_output_broken && status == STATUS_FINE ? STATUS_FAILED : (int)status;
}
