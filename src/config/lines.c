/* The lines of a configuration file: name = value, comments, values in quotes. */
#include "config/lines.h"

static bool is_blank(char byte) {
    return byte == ' ' || byte == '\t';
}

/* Takes the next line off the rest, without its end (LF or CRLF). */
static struct text line_take(struct text *rest) {
    const char *end = memchr(rest->at, '\n', rest->len);
    struct text line = {rest->at, end == NULL ? rest->len : (size_t)(end - rest->at)};
    size_t taken = end == NULL ? line.len : line.len + 1;
    *rest = (struct text){rest->at + taken, rest->len - taken};
    if (line.len > 0 && line.at[line.len - 1] == '\r')
        line.len--;
    return line;
}

/* The text up to a # that stands at its start or behind a blank. */
static struct text without_comment(struct text text) {
    for (size_t i = 0; i < text.len; i++)
        if (text.at[i] == '#' && (i == 0 || is_blank(text.at[i - 1])))
            return (struct text){text.at, i};
    return text;
}

/* What stands between the quotes; nothing but a comment may follow. */
static bool quoted_read(struct text text, struct text *ret_value) {
    const char *end = memchr(text.at + 1, '"', text.len - 1);
    if (end == NULL)
        return false;
    struct text behind = {end + 1, (size_t)(text.at + text.len - end) - 1};
    if (text_trim(without_comment(behind)).len > 0)
        return false;
    *ret_value = (struct text){text.at + 1, (size_t)(end - text.at) - 1};
    return true;
}

static void line_read(struct config_line *line, struct text text) {
    const char *equals = memchr(text.at, '=', text.len);
    line->wrong = NULL;
    if (equals == NULL) {
        line->wrong = "there is no '=': write name = value";
        return;
    }
    line->name = text_trim((struct text){text.at, (size_t)(equals - text.at)});
    struct text value = {equals + 1, (size_t)(text.at + text.len - equals) - 1};
    line->value = text_trim(without_comment(value));
    if (line->value.len > 0 && line->value.at[0] == '"' &&
        !quoted_read(text_trim(value), &line->value))
        line->wrong = "the quotes are not closed, or something follows them";
}

bool config_line_next(struct config_line *line) {
    while (line->rest.len > 0) {
        struct text text = text_trim(line_take(&line->rest));
        line->number++;
        if (text.len > 0 && text.at[0] != '#') {
            line_read(line, text);
            return true;
        }
    }
    return false;
}
