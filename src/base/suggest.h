/* "Did you mean …?": which of the known words a mistyped one is nearest to. */
#ifndef BASE_SUGGEST_H
#define BASE_SUGGEST_H

#include "base/text.h"

/* Keeps the nearest of the words it is shown. */
struct suggestion {
    struct text typed;
    struct text best; /* `at` NULL: none is near enough to be meant */
    size_t best_distance;
};

static inline struct suggestion suggest_for(struct text typed) {
    return (struct suggestion){.typed = typed};
}
/* Shows a known word, which must outlive the suggestion. Near enough is at most a third of the
 * typed characters missing, added, wrong or swapped with their neighbour, and at least one. */
void suggest_try(struct suggestion *suggestion, struct text word);
/* Writes "; did you mean <prefix><word>?", or nothing if no word is near enough. */
void suggest_write(const struct suggestion *suggestion, const char *prefix, struct buffer *out);

#endif
