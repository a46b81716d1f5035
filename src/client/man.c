/* The manual page, in roff, from the table of commands. */
#include "client/run.h"

/* Text for roff: no line may begin with a dot or quote, and - and \ are its own. */
static void roff_write(struct buffer *out, struct text text) {
    for (size_t i = 0; i < text.len; i++) {
        bool is_start = i == 0 || text.at[i - 1] == '\n';
        if (is_start && (text.at[i] == '.' || text.at[i] == '\''))
            buffer_put(out, "\\&");
        if (text.at[i] == '\\')
            buffer_put(out, "\\e");
        else if (text.at[i] == '-')
            buffer_put(out, "\\-");
        else
            buffer_byte(out, text.at[i]);
    }
}

static void paragraph_write(struct buffer *out, const char *macro, const char *text) {
    buffer_format(out, "%s\n", macro);
    roff_write(out, text_of(text));
    buffer_byte(out, '\n');
}

static void example_write(struct buffer *out, const char *text) {
    buffer_put(out, ".PP\n.RS 4\n.nf\n");
    roff_write(out, text_of(text));
    buffer_put(out, "\n.fi\n.RE\n");
}

static void flags_write(struct buffer *out, const struct flag *flags) {
    for (; flags != NULL && flags->name != NULL; flags++) {
        buffer_put(out, ".TP\n.B \\-\\-");
        roff_write(out, text_of(flags->name));
        if (flags->value != NULL) {
            buffer_put(out, " \\fI");
            roff_write(out, text_of(flags->value));
            buffer_put(out, "\\fR");
        }
        buffer_byte(out, '\n');
        roff_write(out, text_of(flags->help));
        buffer_byte(out, '\n');
    }
}

static void command_write(struct buffer *out, const struct command *command) {
    buffer_put(out, ".SS mint ");
    roff_write(out, text_of(command->path));
    if (command->operand != NULL) {
        buffer_byte(out, ' ');
        roff_write(out, text_of(command->operand));
    }
    buffer_byte(out, '\n');
    roff_write(out, text_of(command->description));
    buffer_byte(out, '\n');
    flags_write(out, command->flags);
    example_write(out, command->example);
}

enum status run_man(struct client *client, const struct call *call) {
    struct buffer *out = &client->out;
    (void)call;
    buffer_put(out, ".TH MINT 1 \"\" \"mint " MINTD_VERSION "\" \"User Commands\"\n"
                    ".SH NAME\n"
                    "mint \\- orgs, projects, services, tokens and credentials of mintd\n"
                    ".SH SYNOPSIS\n"
                    ".B mint\n"
                    ".I command\n"
                    "[\\fIoperand\\fR] [\\fIflags\\fR]\n");
    paragraph_write(out, ".SH DESCRIPTION", HELP_ABOUT);
    buffer_put(out, ".SH COMMANDS\n");
    for (size_t i = 0; i < command_count; i++)
        if (!commands[i].is_hidden)
            command_write(out, &commands[i]);
    paragraph_write(out, ".SH GLOBAL FLAGS",
                    "They may stand anywhere, before or behind the command.");
    flags_write(out, global_flags);
    buffer_put(out, ".SH ENVIRONMENT\n");
    paragraph_write(out, ".PP",
                    "MINT_URL, MINT_TOKEN, MINT_ORG and MINT_PROFILE stand for the flags of these "
                    "names; a flag wins over a variable, and a variable over the profile. NO_COLOR "
                    "turns colors off.");
    paragraph_write(out, ".SH FILES",
                    "$XDG_CONFIG_HOME/mint/default.json (else ~/.config/mint/default.json): the "
                    "profile that mint login writes, readable by its owner alone. With --profile "
                    "NAME it is NAME.json.");
    paragraph_write(out, ".SH EXIT STATUS", HELP_STATUS);
    paragraph_write(out, ".SH SEE ALSO", "mintd");
    return STATUS_FINE;
}
