/* The table of commands holds together, and command lines are read by it. */
#include "client/run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* Arguments as main gets them. */
#define LIST(...) ((char *const *)(uintptr_t)(const char *const[]){__VA_ARGS__, NULL})
static int list_count(char *const *list) {
    int count = 0;
    while (list[count] != NULL)
        count++;
    return count;
}

static struct call read_fine(char *const *arguments) {
    struct call call;
    char memory[512];
    struct buffer message = buffer_over(memory, sizeof(memory));
    if (!call_read(list_count(arguments), arguments, &call, &message))
        fail_msg("%.*s", (int)message.len, message.at);
    return call;
}

static void assert_text(struct text text, const char *is) {
    if (!text_equal(text, text_of(is)))
        fail_msg("%.*s is not %s", (int)text.len, text.at, is);
}

static void assert_refused(char *const *arguments, const char *is) {
    struct call call;
    char memory[512];
    struct buffer message = buffer_over(memory, sizeof(memory));
    assert_false(call_read(list_count(arguments), arguments, &call, &message));
    assert_text(buffer_text(&message), is);
}

static void reads_words(void **state) {
    struct call call = read_fine(LIST("service", "token", "issue", "gateway"));
    (void)state;
    assert_string_equal(call.command->path, "service token issue");
    assert_text(call_operand(&call), "gateway");
    call = read_fine(LIST("service", "token"));
    assert_null(call.command);
    assert_int_equal(call.path.len, strlen("service token"));
    assert_string_equal(read_fine(LIST("audit")).command->path, "audit");
    assert_string_equal(read_fine(LIST("audit", "verify")).command->path, "audit verify");
    assert_refused(LIST("audit", "other"), "mint audit takes no further operand \"other\"");
    call = read_fine(LIST(NULL));
    assert_null(call.command);
    assert_null(call_operand(&call).at);
}

static void reads_flags(void **state) {
    struct call call = read_fine(
        LIST("--org", "a", "issue", "--ttl=1h", "-q", "--project", "p", "--org=b", "--email=x=y"));
    (void)state;
    assert_text(call_flag(&call, "org"), "b");
    assert_text(call_flag(&call, "ttl"), "1h");
    assert_text(call_flag(&call, "email"), "x=y");
    assert_text(call_flag(&call, "quiet"), "true");
    assert_true(call_has(&call, "project"));
    assert_false(call_has(&call, "yes"));
    assert_int_equal(call.flag_count, 6);
}

/* A flag of a command is none before the command is known, nor of another command. */
static void flags_belong_to_commands(void **state) {
    (void)state;
    assert_refused(LIST("--ttl", "1h", "issue"), "unknown flag --ttl");
    assert_refused(LIST("org", "list", "--explain"), "unknown flag --explain");
    assert_refused(LIST("issue", "--explian"), "unknown flag --explian; did you mean --explain?");
    assert_refused(LIST("issue", "-x"), "unknown flag --x");
}

static void a_dash_is_an_operand(void **state) {
    struct call call = read_fine(LIST("verify", "-"));
    (void)state;
    assert_text(call_operand(&call), "-");
    call = read_fine(LIST("project", "show", "--", "-x"));
    assert_text(call_operand(&call), "-x");
}

static void help_needs_no_operand(void **state) {
    struct call call = read_fine(LIST("service", "create", "--help"));
    (void)state;
    assert_string_equal(call.command->path, "service create");
    assert_true(call_has(&call, "help"));
    assert_refused(LIST("service", "create"), "mint service create needs NAME");
}

static void values_have_types(void **state) {
    static const struct {
        const char *argument;
        bool is_good;
    } rows[] = {
        {"--ttl=0", true},      {"--ttl=4294967295", true},     {"--ttl=4294967296", false},
        {"--ttl=1h30m", false}, {"--timeout=1d", true},         {"--format=csv", true},
        {"--format=", false},   {"--format=human|json", false}, {"--theme-mode=dark", true},
        {"--query=a=", true},   {"--query=a", false},           {"--query==b", false},
        {"--query=", false},
    };
    (void)state;
    for (size_t i = 0; i < array_count(rows); i++) {
        struct call call;
        char memory[512];
        struct buffer message = buffer_over(memory, sizeof(memory));
        if (call_read(2, LIST("iframe", rows[i].argument), &call, &message) != rows[i].is_good)
            fail_msg("%s", rows[i].argument);
    }
}

static void keeps_the_limit_of_operands(void **state) {
    const char *arguments[CALL_OPERANDS_MAX + 2];
    (void)state;
    arguments[0] = "help";
    for (int count = CALL_OPERANDS_MAX - 1; count <= CALL_OPERANDS_MAX + 1; count++) {
        struct call call;
        char memory[512];
        struct buffer message = buffer_over(memory, sizeof(memory));
        for (int i = 0; i < count; i++)
            arguments[i + 1] = "word";
        assert_int_equal(call_read(count + 1, (char *const *)(uintptr_t)arguments, &call, &message),
                         count <= CALL_OPERANDS_MAX);
    }
}

static void keeps_the_limit_of_flags(void **state) {
    const char *arguments[CALL_FLAGS_MAX + 1];
    (void)state;
    for (int count = CALL_FLAGS_MAX - 1; count <= CALL_FLAGS_MAX + 1; count++) {
        struct call call;
        char memory[512];
        struct buffer message = buffer_over(memory, sizeof(memory));
        for (int i = 0; i < count; i++)
            arguments[i] = "-q";
        assert_int_equal(call_read(count, (char *const *)(uintptr_t)arguments, &call, &message),
                         count <= CALL_FLAGS_MAX);
    }
    assert_int_equal(CALL_FLAGS_MAX, 128);
}

static void a_long_word_is_no_command(void **state) {
    char word[101];
    (void)state;
    memset(word, 'a', 100);
    word[100] = '\0';
    char message[160] = "unknown command \"service ";
    memcpy(message + strlen(message), word, 101);
    memcpy(message + strlen(message), "\"", 2);
    assert_refused(LIST("service", word), message);
}

/* The table */

static void assert_flags(const struct command *command) {
    for (const struct flag *flag = command->flags; flag != NULL && flag->name != NULL; flag++) {
        if (flag_find(global_flags, text_of(flag->name)) != NULL)
            fail_msg("%s: --%s is a global flag too", command->path, flag->name);
        assert_ptr_equal(flag_find(command->flags, text_of(flag->name)), flag);
        assert_int_equal(flag->value == NULL, flag->type == FLAG_BOOL);
        if (flag->type == FLAG_CHOICE)
            assert_non_null(strchr(flag->value, '|'));
        if (flag->field != NULL)
            assert_int_equal(strspn(flag->field, "?=0abcdefghijklmnopqrstuvwxyz_"),
                             strlen(flag->field));
        assert_true(strlen(flag->help) > 0 && flag->help[strlen(flag->help) - 1] != '.');
    }
}

/* Every placeholder is the operand, the org or a flag of the command. */
static void assert_template(const struct command *command, const char *template) {
    for (const char *at = template; at != NULL && (at = strchr(at, '{')) != NULL; at++) {
        struct text name = {at + 1, strcspn(at + 1, "|}")};
        bool is_operand = command->operand != NULL &&
                          memmem(command->operand, strlen(command->operand), name.at, name.len);
        if (!is_operand && !text_equal(name, TEXT("org")) &&
            flag_find(command->flags, name) == NULL)
            fail_msg("%s: %s", command->path, template);
    }
}

static void the_table_holds_together(void **state) {
    (void)state;
    for (size_t i = 0; i < command_count; i++) {
        const struct command *command = &commands[i];
        size_t len = strlen(command->description);
        assert_ptr_equal(command_find(text_of(command->path)), command);
        /* The word behind it would be an operand, or the next word of a path? */
        assert_true(!command_is_group(text_of(command->path)) || command->operand == NULL);
        assert_true(command->summary[strlen(command->summary) - 1] != '.');
        assert_true(command->description[len - 1] == '.');
        assert_non_null(strstr(command->example, command->path));
        assert_true(command->run != NULL || command->target != NULL);
        assert_int_equal(command->target == NULL, command->method == NULL);
        assert_template(command, command->target);
        assert_template(command, command->done);
        assert_template(command, command->confirm);
        assert_flags(command);
        if (command->method != NULL && strcmp(command->method, "DELETE") == 0)
            assert_non_null(command->confirm);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_words),
        cmocka_unit_test(reads_flags),
        cmocka_unit_test(flags_belong_to_commands),
        cmocka_unit_test(a_dash_is_an_operand),
        cmocka_unit_test(help_needs_no_operand),
        cmocka_unit_test(values_have_types),
        cmocka_unit_test(keeps_the_limit_of_operands),
        cmocka_unit_test(keeps_the_limit_of_flags),
        cmocka_unit_test(a_long_word_is_no_command),
        cmocka_unit_test(the_table_holds_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
