/* Data for people, as tables, and for programs, as JSON or CSV. */
#include <time.h>
#include <unistd.h>

#include "base/units.h"
#include "client/run.h"

#define COLUMNS_MAX 16 /* no table of ours has as many */

/* Characters, as a terminal with a fixed font shows most scripts. */
static size_t text_width(struct text text) {
    size_t width = 0;
    check(text.at != NULL || text.len == 0);
    for (size_t i = 0; i < text.len; i++)
        width += ((uint8_t)text.at[i] & 0xC0) != 0x80;
    return width;
}

/* Texts from elsewhere in one line: control characters would break the table, or rule the
 * terminal. */
static void buffer_plain(struct buffer *out, struct text text) {
    check(text.at != NULL || text.len == 0);
    for (size_t i = 0; i < text.len; i++) {
        uint8_t byte = (uint8_t)text.at[i], next = i + 1 < text.len ? (uint8_t)text.at[i + 1] : 0;
        bool is_c1 = byte == 0xC2 && next >= 0x80 && next <= 0x9F;
        if (is_c1)
            i++;
        buffer_byte(out, is_c1 || byte < ' ' || byte == 0x7F ? '?' : (char)byte);
    }
}

bool show_time(struct client *client, struct text text, struct buffer *out) {
    char memory[TIME_TEXT_BYTES + 1];
    struct tm parts = {0};
    if (text.len != TIME_TEXT_BYTES)
        return false;
    memcpy(memory, text.at, TIME_TEXT_BYTES);
    memory[TIME_TEXT_BYTES] = '\0';
    const char *end = strptime(memory, "%Y-%m-%dT%H:%M:%SZ", &parts);
    if (end == NULL || *end != '\0')
        return false;
    int64_t away_s = (int64_t)timegm(&parts) - client->now_s;
    memory[10] = ' ';
    buffer_format(out, "%s (%s", memory, away_s > 0 ? "in " : "");
    unit_write_rough(out, (uint64_t)(away_s > 0 ? away_s : -away_s));
    buffer_put(out, away_s > 0 ? ")" : " ago)");
    return true;
}

/* The keys of an object, or the strings of a list, with ", " between them. */
static void names_write(const struct json *value, struct buffer *out) {
    for (struct json_iter i = json_iter(value); json_next(&i);) {
        buffer_put(out, out->len > 0 ? ", " : "");
        if (json_is_object(value))
            buffer_plain(out, i.key);
        else if (json_is_string(i.value))
            buffer_plain(out, json_text(i.value));
        else
            json_write(i.value, out);
    }
}

static bool is_list_of_strings(const struct json *value) {
    if (!json_is_array(value))
        return false;
    for (struct json_iter i = json_iter(value); json_next(&i);)
        if (!json_is_string(i.value))
            return false;
    return true;
}

static void cell_write(struct client *client, const struct json *value, enum cell cell,
                       struct buffer *out) {
    bool is_names = is_list_of_strings(value) || (cell == CELL_NAMES && json_is_object(value));
    if (json_is_string(value)) {
        if (cell != CELL_TIME || !show_time(client, json_text(value), out))
            buffer_plain(out, json_text(value));
    } else if (is_names) {
        names_write(value, out);
    } else {
        char *start = out->at + out->len;
        size_t before = out->len;
        json_write(value, out);
        /* DEL and C1 need no escape in JSON, but they do on a terminal. */
        struct text json = {start, out->len - before};
        out->len = before;
        buffer_plain(out, json);
    }
}

struct text show_cell(struct client *client, const struct json *value, enum cell cell) {
    struct buffer *out = &client->scratch;
    out->len = 0;
    if (value != NULL && !json_is_null(value))
        cell_write(client, value, cell, out);
    if (out->len == 0)
        buffer_byte(out, '-');
    return pool_copy(&client->pool, buffer_text(out));
}

struct text show_plain(struct client *client, struct text text) {
    struct buffer out = pool_buffer(&client->pool, text.len + 1);
    buffer_plain(&out, text);
    return buffer_text(&out);
}

/* Tables */

static void spaces_write(struct buffer *out, size_t count) {
    while (count-- > 0)
        buffer_byte(out, ' ');
}

/* One line; the last column needs no room behind it. */
static void line_write(struct buffer *out, const struct text *cells, const size_t *widths,
                       size_t columns) {
    for (size_t i = 0; i < columns; i++) {
        check(cells[i].at != NULL || cells[i].len == 0);
        buffer_add(out, cells[i]);
        if (i + 1 < columns)
            spaces_write(out, widths[i] - text_width(cells[i]) + 2);
    }
}

void show_table(struct client *client, const struct text *titles, size_t columns,
                const struct text *cells, size_t rows) {
    size_t widths[COLUMNS_MAX];
    bool has_color = client->has_color[STDOUT_FILENO];
    check(columns > 0 && columns <= COLUMNS_MAX);
    for (size_t i = 0; i < columns; i++) {
        widths[i] = text_width(titles[i]);
        for (size_t row = 0; row < rows; row++) {
            size_t width = text_width(cells[row * columns + i]);
            widths[i] = width > widths[i] ? width : widths[i];
        }
    }
    buffer_put(&client->out, has_color ? "\x1B[1m" : "");
    line_write(&client->out, titles, widths, columns);
    buffer_put(&client->out, has_color ? "\x1B[0m\n" : "\n");
    for (size_t row = 0; row < rows; row++) {
        line_write(&client->out, cells + row * columns, widths, columns);
        buffer_byte(&client->out, '\n');
        client_flush(client);
    }
}

struct text show_title(struct client *client, struct text key) {
    struct buffer out = pool_buffer(&client->pool, 2 * key.len + 1);
    for (size_t i = 0; i < key.len; i++) {
        char byte = key.at[i];
        bool is_upper = byte >= 'A' && byte <= 'Z', is_lower = byte >= 'a' && byte <= 'z';
        if (is_upper && i > 0)
            buffer_byte(&out, ' ');
        buffer_byte(&out, i == 0 && is_lower  ? (char)(byte - ('a' - 'A'))
                          : is_upper && i > 0 ? (char)(byte + ('a' - 'A'))
                                              : byte);
    }
    return buffer_text(&out);
}

/* "Name:        gateway", one line a member. */
static void details_show(struct client *client, const struct json *object) {
    size_t width = 0;
    for (struct json_iter i = json_iter(object); json_next(&i);) {
        size_t len = text_width(show_title(client, i.key));
        width = len > width ? len : width;
    }
    for (struct json_iter i = json_iter(object); json_next(&i);) {
        struct text title = show_title(client, i.key);
        buffer_plain(&client->out, title);
        buffer_byte(&client->out, ':');
        spaces_write(&client->out, width - text_width(title) + 1);
        buffer_add(&client->out, show_cell(client, i.value, CELL_TIME));
        buffer_byte(&client->out, '\n');
        client_flush(client);
    }
}

/* A second member that is empty leaves no trace. */
static struct text column_cell(struct client *client, const struct json *row,
                               const struct column *column) {
    const char *blank = strchr(column->member, ' ');
    struct text name = text_of(column->member);
    if (blank == NULL)
        return show_cell(client, json_member(row, name), column->cell);
    name.len = (size_t)(blank - name.at);
    struct text first = show_cell(client, json_member(row, name), column->cell);
    const struct json *then = json_member(row, text_of(blank + 1));
    if (then == NULL || !json_is_string(then) || json_text(then).len == 0)
        return first;
    struct text second = show_cell(client, then, column->cell);
    struct buffer out = pool_buffer(&client->pool, first.len + 1 + second.len);
    buffer_add(&out, first);
    buffer_byte(&out, ' ');
    buffer_add(&out, second);
    return buffer_text(&out);
}

static void columns_show(struct client *client, const struct row *rows, size_t count,
                         const struct column *columns) {
    struct text titles[COLUMNS_MAX];
    size_t width = 0;
    for (; columns[width].title != NULL; width++)
        titles[width] = text_of(columns[width].title);
    struct text *cells = pool_take(&client->pool, (count * width + 1) * sizeof(*cells));
    for (size_t row = 0; row < count; row++)
        for (size_t i = 0; i < width; i++)
            cells[row * width + i] = column_cell(client, rows[row].object, &columns[i]);
    show_table(client, titles, width, cells, count);
}

/* CSV (RFC 4180), but with lines that end as text files' do, so that cut and awk see no CR. */

static void csv_write(struct buffer *out, struct text text) {
    bool is_plain = text.len > 0 && text.at[0] != ' ' && text.at[text.len - 1] != ' ';
    for (size_t i = 0; i < text.len; i++)
        is_plain &= strchr("\",\r\n", text.at[i]) == NULL || text.at[i] == '\0';
    if (is_plain || text.len == 0) {
        buffer_add(out, text);
        return;
    }
    buffer_byte(out, '"');
    for (size_t i = 0; i < text.len; i++) {
        buffer_byte(out, text.at[i]);
        if (text.at[i] == '"')
            buffer_byte(out, '"');
    }
    buffer_byte(out, '"');
}

static void csv_write_value(struct client *client, const struct json *value) {
    struct buffer *json = &client->scratch;
    if (value == NULL || json_is_null(value))
        return;
    if (json_is_string(value)) {
        csv_write(&client->out, json_text(value));
        return;
    }
    json->len = 0;
    json_write(value, json);
    csv_write(&client->out, buffer_text(json));
}

/* The keys of all rows, each once, in the order in which they come. */
static struct text *keys_collect(struct client *client, const struct row *rows, size_t count,
                                 size_t *ret_count) {
    size_t room = 1, keys = 0;
    for (size_t row = 0; row < count; row++)
        room += json_count(rows[row].object);
    struct text *at = pool_take(&client->pool, room * sizeof(*at));
    for (size_t row = 0; row < count; row++)
        for (struct json_iter i = json_iter(rows[row].object); json_next(&i);) {
            size_t k = 0;
            while (k < keys && !text_equal(at[k], i.key))
                k++;
            if (k == keys)
                at[keys++] = i.key;
        }
    *ret_count = keys;
    return at;
}

static void csv_show(struct client *client, const struct row *rows, size_t count) {
    size_t width;
    const struct text *keys = keys_collect(client, rows, count, &width);
    for (size_t i = 0; i < width; i++) {
        buffer_put(&client->out, i > 0 ? "," : "");
        csv_write(&client->out, keys[i]);
    }
    if (width > 0)
        buffer_byte(&client->out, '\n');
    for (size_t row = 0; row < count; row++) {
        for (size_t i = 0; i < width; i++) {
            buffer_put(&client->out, i > 0 ? "," : "");
            csv_write_value(client, json_member(rows[row].object, keys[i]));
        }
        buffer_byte(&client->out, '\n');
        client_flush(client);
    }
}

static void json_show(struct client *client, const struct row *rows, size_t count) {
    buffer_byte(&client->out, '[');
    for (size_t row = 0; row < count; row++) {
        buffer_put(&client->out, row > 0 ? ",\n " : "");
        json_write(rows[row].object, &client->out);
        client_flush(client);
    }
    buffer_put(&client->out, "]\n");
}

void show_list(struct client *client, const struct row *rows, size_t count,
               const struct column *columns) {
    if (client->format == FORMAT_JSON)
        json_show(client, rows, count);
    else if (client->format == FORMAT_CSV)
        csv_show(client, rows, count);
    else
        columns_show(client, rows, count, columns);
}

void show_json(struct client *client, const struct json *value) {
    json_write(value, &client->out);
    buffer_byte(&client->out, '\n');
}

void show_object(struct client *client, const struct json *object) {
    if (client->format == FORMAT_JSON)
        show_json(client, object);
    else if (client->format == FORMAT_CSV)
        csv_show(client, &(struct row){object}, 1);
    else
        details_show(client, object);
}
