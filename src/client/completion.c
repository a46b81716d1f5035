/* Completion: what may follow the words typed so far, and the scripts by which shells ask for
 * it. */
#include "client/run.h"

static void candidate_write(struct buffer *out, struct text word, const char *what) {
    buffer_add(out, word);
    buffer_byte(out, '\t');
    buffer_put(out, what);
    buffer_byte(out, '\n');
}

/* The words that may follow the path, each once. */
static void words_write(struct text path, struct buffer *out) {
    struct text last = {0};
    for (size_t i = 0; i < command_count; i++) {
        struct text word = command_next_word(&commands[i], path);
        if (word.len == 0 || commands[i].is_hidden || text_equal(word, last))
            continue;
        bool is_command = word.at + word.len == commands[i].path + strlen(commands[i].path);
        candidate_write(out, word, is_command ? commands[i].summary : "");
        last = word;
    }
}

static void flags_write(const struct flag *flags, struct buffer *out) {
    for (; flags != NULL && flags->name != NULL; flags++) {
        char memory[64];
        struct buffer name = buffer_over(memory, sizeof(memory));
        buffer_format(&name, "--%s", flags->name);
        candidate_write(out, buffer_text(&name), flags->help);
    }
}

/* "bash|zsh|fish", one a line. */
static void choices_write(const char *choices, struct buffer *out) {
    for (const char *at = choices; *at != '\0';) {
        size_t len = strcspn(at, "|");
        candidate_write(out, (struct text){at, len}, "");
        at += len + (at[len] == '|');
    }
}

/* The flag that the last word is, if it waits for a value. */
static const struct flag *flag_waiting(const struct call *call, struct text word) {
    if (word.len < 3 || word.at[0] != '-' || word.at[1] != '-')
        return NULL;
    struct text name = {word.at + 2, word.len - 2};
    const struct flag *flag = flag_find(global_flags, name);
    if (flag == NULL && call->command != NULL)
        flag = flag_find(call->command->flags, name);
    return flag != NULL && flag->type != FLAG_BOOL ? flag : NULL;
}

static void candidates_write(const struct call *call, struct buffer *out) {
    const struct command *command = call->command;
    words_write(call->path, out);
    if (command == NULL)
        return;
    if (call->operand_count == 0 && command->operand != NULL)
        if (strchr(command->operand, '|') != NULL)
            choices_write(command->operand, out);
    flags_write(command->flags, out);
    flags_write(global_flags, out);
}

enum status run_complete(struct client *client, const struct call *call) {
    struct call typed;
    char memory[256];
    char *arguments[CALL_OPERANDS_MAX] = {0};
    struct buffer message = buffer_over(memory, sizeof(memory));
    size_t count = call->operand_count;
    struct text last = count > 0 ? call->operands[count - 1] : (struct text){0};
    bool is_flag = last.len > 0 && last.at[0] == '-';
    for (size_t i = 0; i < count; i++)
        arguments[i] = (char *)(uintptr_t)pool_copy(&client->pool, call->operands[i]).at;
    /* What is typed so far need not make sense: it is read as far as it does. */
    (void)!call_read((int)count - is_flag, arguments, &typed, &message);
    const struct flag *waiting = flag_waiting(&typed, last);
    if (waiting == NULL)
        candidates_write(&typed, &client->out);
    else if (waiting->type == FLAG_CHOICE)
        choices_write(waiting->value, &client->out);
    return STATUS_FINE;
}

static const char script_bash[] =
    "# bash completion of mint: source <(mint completion bash)\n"
    "_mint() {\n"
    "    local words\n"
    "    words=$(mint __complete -- \"${COMP_WORDS[@]:1:COMP_CWORD-1}\" 2>/dev/null | cut -f1)\n"
    "    COMPREPLY=($(compgen -W \"$words\" -- \"${COMP_WORDS[COMP_CWORD]}\"))\n"
    "}\n"
    "complete -o default -F _mint mint\n";

static const char script_zsh[] =
    "#compdef mint\n"
    "# zsh completion of mint: mint completion zsh > \"${fpath[1]}/_mint\"\n"
    "_mint() {\n"
    "    local -a found\n"
    "    found=(${(f)\"$(mint __complete -- ${words[2,CURRENT-1]} 2>/dev/null |\n"
    "        sed 's/:/\\\\:/g; s/\\t/:/')\"})\n"
    "    if (( $#found )); then _describe mint found; else _files; fi\n"
    "}\n"
    "compdef _mint mint\n";

static const char script_fish[] =
    "# fish completion of mint: mint completion fish > ~/.config/fish/completions/mint.fish\n"
    "complete -c mint -f -a '(mint __complete -- (commandline -opc)[2..-1] 2>/dev/null)'\n";

enum status run_completion(struct client *client, const struct call *call) {
    struct text shell = call_operand(call);
    const char *script = text_equal(shell, TEXT("bash"))   ? script_bash
                         : text_equal(shell, TEXT("zsh"))  ? script_zsh
                         : text_equal(shell, TEXT("fish")) ? script_fish
                                                           : NULL;
    if (script == NULL)
        return client_refuse(client, call, "the shell must be bash, zsh or fish");
    buffer_put(&client->out, script);
    return STATUS_FINE;
}
