/* "Did you mean …?": the optimal string alignment distance, and the word where it is least. */
#include "base/suggest.h"

/* Longer words are never suggested: no name in a table is as long. */
#define WORD_BYTES_MAX 40

static size_t least(size_t a, size_t b) {
    return a < b ? a : b;
}

/* How many characters are to be inserted, deleted, replaced or swapped with their neighbour to
 * turn one word into the other (L. Boytsov, "Indexing methods for approximate dictionary
 * searching", 2011, §2.2: the restricted Damerau distance). */
static size_t distance(struct text a, struct text b) {
    size_t rows[3][WORD_BYTES_MAX + 1]; /* this row, the one above, the one above that, in turn */
    for (size_t j = 0; j <= b.len; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= a.len; i++) {
        size_t *row = rows[i % 3], *above = rows[(i + 2) % 3], *above2 = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= b.len; j++) {
            bool same = a.at[i - 1] == b.at[j - 1];
            row[j] = least(least(row[j - 1], above[j]) + 1, above[j - 1] + (same ? 0 : 1));
            if (i > 1 && j > 1 && a.at[i - 1] == b.at[j - 2] && a.at[i - 2] == b.at[j - 1])
                row[j] = least(row[j], above2[j - 2] + 1);
        }
    }
    return rows[a.len % 3][b.len];
}

void suggest_try(struct suggestion *suggestion, struct text word) {
    struct text typed = suggestion->typed;
    if (typed.len == 0 || typed.len > WORD_BYTES_MAX || word.len > WORD_BYTES_MAX)
        return;
    size_t near = typed.len / 3 > 1 ? typed.len / 3 : 1;
    size_t found = distance(typed, word);
    if (found <= near && (suggestion->best.at == NULL || found < suggestion->best_distance)) {
        suggestion->best = word;
        suggestion->best_distance = found;
    }
}

void suggest_write(const struct suggestion *suggestion, const char *prefix, struct buffer *out) {
    if (suggestion->best.at == NULL)
        return;
    buffer_put(out, "; did you mean ");
    buffer_put(out, prefix);
    buffer_add(out, suggestion->best);
    buffer_byte(out, '?');
}
