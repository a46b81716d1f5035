/* The configuration file: opened, read whole, applied line by line. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "config/lines.h"
#include "config/private.h"

/* Some ten times a file in which every setting has a line and a comment. */
#define FILE_BYTES_MAX 65536

static bool line_refuse(const struct config *config, const struct config_line *line,
                        const char *wrong, struct error *ret_error) {
    return error_set(ret_error, ERROR_FIELD_VALUE, "%s:%u: %s", config_path_end(config->path),
                     line->number, wrong);
}

static bool line_unknown(const struct config *config, const struct config_line *line,
                         struct error *ret_error) {
    char message[ERROR_SUBJECT_BYTES];
    struct buffer out = buffer_over(message, sizeof(message));
    struct suggestion suggestion = config_suggest(line->name);
    buffer_format(&out, "there is no setting '%.*s'",
                  (int)(line->name.len < 40 ? line->name.len : 40), line->name.at);
    suggest_write(&suggestion, "", &out);
    buffer_byte(&out, '\0');
    return line_refuse(config, line, message, ret_error);
}

static bool line_apply(struct config *config, const struct config_line *line, bool is_private,
                       struct error *ret_error) {
    if (line->wrong != NULL)
        return line_refuse(config, line, line->wrong, ret_error);
    const struct setting *row = setting_find(line->name);
    if (row == NULL)
        return line_unknown(config, line, ret_error);
    if (config->origins[row - setting_rows].source == SOURCE_FILE)
        return error_set(ret_error, ERROR_FIELD_VALUE, "%s:%u: %s stands already in line %u",
                         config_path_end(config->path), line->number, row->name,
                         config->origins[row - setting_rows].line);
    if (setting_is_secret(row, line->value) && !is_private)
        return line_refuse(config, line,
                           "the file holds a secret, but others may read it: chmod 600", ret_error);
    return config_take_value(config, row, line->value, (struct origin){SOURCE_FILE, line->number},
                             ret_error);
}

bool config_apply_text(struct config *config, struct text text, bool is_private,
                       struct error *ret_error) {
    for (struct config_line line = {.rest = text}; config_line_next(&line);)
        if (!line_apply(config, &line, is_private, ret_error))
            return false;
    return true;
}

/* Reads until the end or until the room is full; false on an error. */
static bool descriptor_read(int descriptor, struct buffer *out) {
    while (out->len < out->size) {
        ssize_t got = read(descriptor, out->at + out->len, out->size - out->len);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got == 0;
        out->len += (size_t)got;
    }
    return true;
}

static bool descriptor_apply(struct config *config, int descriptor, struct buffer *room,
                             struct error *ret_error) {
    struct stat status;
    if (fstat(descriptor, &status) != 0 || !descriptor_read(descriptor, room))
        return error_set(ret_error, ERROR_FIELD_VALUE, "%s cannot be read: %m",
                         config_path_end(config->path));
    if (room->len == room->size)
        return error_set(ret_error, ERROR_FIELD_VALUE, "%s is larger than 64 KiB",
                         config_path_end(config->path));
    bool is_private = (status.st_mode & (S_IRWXG | S_IRWXO)) == 0;
    return config_apply_text(config, buffer_text(room), is_private, ret_error);
}

bool config_apply_file(struct config *config, struct error *ret_error) {
    if (config->path[0] == '\0')
        return true;
    int descriptor = open(config->path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0)
        return error_set(ret_error, ERROR_FIELD_VALUE, "%s cannot be opened: %m",
                         config_path_end(config->path));
    char memory[FILE_BYTES_MAX + 1];
    struct buffer room = buffer_over(memory, sizeof(memory));
    bool done = descriptor_apply(config, descriptor, &room, ret_error);
    memory_wipe(memory, room.len);
    (void)close(descriptor);
    return done;
}
