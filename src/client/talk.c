/* Talking with the user: output, errors, questions, and texts that are typed or read from files. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <termios.h>
#include <unistd.h>

#include "base/memory.h"
#include "client/run.h"

/* Files and standard input hold a token, a JWT, attributes or keys: mintd takes no more. */
#define INPUT_BYTES_MAX (1U << 20)
#define MESSAGE_BYTES 4096

static bool descriptor_write(int descriptor, struct text text) {
    while (text.len > 0) {
        ssize_t written = write(descriptor, text.at, text.len);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return false;
        text = (struct text){text.at + written, text.len - (size_t)written};
    }
    return true;
}

/* Overwrites what a terminal could take for a command: C0 but line ends, DEL, and C1 (as UTF-8). */
static void text_disarm(char *at, size_t len) {
    for (size_t i = 0; i < len; i++) {
        uint8_t byte = (uint8_t)at[i], next = i + 1 < len ? (uint8_t)at[i + 1] : 0;
        if ((byte < ' ' && byte != '\n') || byte == 0x7F)
            at[i] = '?';
        else if (byte == 0xC2 && next >= 0x80 && next <= 0x9F)
            at[i] = at[i + 1] = '?';
    }
}

static void message_write(const struct client *client, struct buffer *message) {
    bool has_color = client->has_color[STDERR_FILENO];
    text_disarm(message->at, message->len);
    (void)descriptor_write(STDERR_FILENO, has_color ? TEXT("\x1B[1;31mmint: error:\x1B[0m ")
                                                    : TEXT("mint: error: "));
    (void)descriptor_write(STDERR_FILENO, buffer_text(message));
    (void)descriptor_write(STDERR_FILENO, TEXT("\n"));
}

/* Cut to the room where it is longer. */
static printf_like(2, 0) void message_format(struct buffer *message, const char *format,
                                             va_list arguments) {
    int len = vsnprintf(message->at, message->size, format, arguments);
    check(len >= 0);
    message->len = (size_t)len < message->size ? (size_t)len : message->size - 1;
}

void client_complain(const struct client *client, const char *format, ...) {
    char memory[MESSAGE_BYTES];
    struct buffer message = buffer_over(memory, sizeof(memory));
    va_list arguments;
    va_start(arguments, format);
    message_format(&message, format, arguments);
    va_end(arguments);
    message_write(client, &message);
}

enum status client_refuse(const struct client *client, const struct call *call, const char *format,
                          ...) {
    char memory[MESSAGE_BYTES];
    struct buffer message = buffer_over(memory, sizeof(memory));
    va_list arguments;
    va_start(arguments, format);
    message_format(&message, format, arguments);
    va_end(arguments);
    message_write(client, &message);
    message.len = 0;
    buffer_put(&message, "Try 'mint ");
    buffer_add(&message, call->path);
    buffer_put(&message, call->path.len > 0 ? " --help'.\n" : "--help'.\n");
    (void)descriptor_write(STDERR_FILENO, buffer_text(&message));
    return STATUS_USAGE;
}

void client_say(struct client *client, struct text text) {
    if (client->is_quiet || client->format != FORMAT_HUMAN)
        return;
    buffer_add(&client->out, text);
    buffer_byte(&client->out, '\n');
}

void client_flush(struct client *client) {
    if (client->out.overflow && !client->is_output_broken) {
        client_complain(client, "a row is larger than %u bytes", OUTPUT_BYTES);
        client->is_output_broken = true;
    }
    if (!client->is_output_broken && !descriptor_write(STDOUT_FILENO, buffer_text(&client->out))) {
        client->is_output_broken = true;
        if (errno != EPIPE) /* whoever reads has had enough */
            client_complain(client, "cannot write: %m");
    }
    memory_wipe(client->out.at, client->out.len);
    client->out.len = 0;
}

/* Reads a line from standard input, without its end; false at its end or on an error. */
static bool line_read(struct buffer *line) {
    char byte;
    ssize_t got;
    while ((got = read(STDIN_FILENO, &byte, 1)) == 1 && byte != '\n' && byte != '\r')
        buffer_byte(line, byte);
    return got == 1 && !line->overflow;
}

bool client_confirm(struct client *client, struct text question) {
    char memory[64];
    struct buffer line = buffer_over(memory, sizeof(memory));
    if (client->is_yes || !client->is_terminal)
        return true;
    (void)descriptor_write(STDERR_FILENO, question);
    (void)descriptor_write(STDERR_FILENO, TEXT(" [y/N] "));
    if (!line_read(&line))
        return false;
    struct text answer = client_strip(buffer_text(&line));
    return text_equal_nocase(answer, TEXT("y")) || text_equal_nocase(answer, TEXT("yes"));
}

bool client_read_secret(struct client *client, const char *prompt, struct text *ret_text) {
    struct termios shown, hidden;
    struct buffer line = pool_buffer(&client->pool, 1024);
    if (tcgetattr(STDIN_FILENO, &shown) != 0)
        return false;
    hidden = shown;
    /* Without ISIG an interrupt is a character, so that nothing leaves the terminal mute. */
    hidden.c_lflag &= ~(tcflag_t)(ECHO | ISIG);
    if (tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden) != 0)
        return false;
    (void)descriptor_write(STDERR_FILENO, text_of(prompt));
    bool is_read = line_read(&line);
    (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown);
    (void)descriptor_write(STDERR_FILENO, TEXT("\n"));
    *ret_text = buffer_text(&line);
    return is_read && memchr(line.at, '\x03', line.len) == NULL;
}

/* Reads to the end; false on an error, or with EFBIG when there is more than the room. */
static bool descriptor_read(int descriptor, struct buffer *out) {
    for (;;) {
        ssize_t got = read(descriptor, out->at + out->len, out->size - out->len);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got == 0;
        out->len += (size_t)got;
        if (out->len == out->size) {
            errno = EFBIG;
            return false;
        }
    }
}

bool client_read_file(struct client *client, const char *path, struct text *ret_text) {
    struct buffer room = pool_buffer(&client->pool, INPUT_BYTES_MAX + 1);
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    bool is_read = descriptor >= 0 && descriptor_read(descriptor, &room);
    pool_trim(&client->pool, room.at, room.len);
    if (!is_read)
        client_complain(client, "cannot read %s: %m", path);
    if (descriptor >= 0)
        (void)close(descriptor);
    *ret_text = buffer_text(&room);
    return is_read;
}

static bool input_read(struct client *client, struct text *ret_text) {
    struct buffer room = pool_buffer(&client->pool, INPUT_BYTES_MAX + 1);
    if (client->is_input_used) {
        client_complain(client, "standard input can be read only once: give one - at most");
        return false;
    }
    client->is_input_used = true;
    bool is_read = descriptor_read(STDIN_FILENO, &room);
    pool_trim(&client->pool, room.at, room.len);
    if (!is_read) {
        client_complain(client, "cannot read standard input: %m");
        return false;
    }
    *ret_text = buffer_text(&room);
    return true;
}

bool client_read_text(struct client *client, struct text value, bool has_files,
                      struct text *ret_text) {
    if (text_equal(value, TEXT("-")))
        return input_read(client, ret_text);
    if (has_files && value.len > 0 && value.at[0] == '@') {
        struct text path = pool_copy(&client->pool, value);
        return client_read_file(client, path.at + 1, ret_text);
    }
    *ret_text = value;
    return true;
}

static bool byte_is_space(char byte) {
    return byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r';
}

struct text client_strip(struct text text) {
    while (text.len > 0 && byte_is_space(text.at[0]))
        text = (struct text){text.at + 1, text.len - 1};
    while (text.len > 0 && byte_is_space(text.at[text.len - 1]))
        text.len--;
    return text;
}
