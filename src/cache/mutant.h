/* Mistakes that the protocol could have: tests build it with one at a time, to show that they would
 * find it. */
#ifndef CACHE_MUTANT_H
#define CACHE_MUTANT_H

#include <stdbool.h>

enum mutant {
    MUTANT_NONE,
    MUTANT_NO_VERSIONS,  /* what was read before a cut is accepted after it */
    MUTANT_NO_LEASE,     /* what is cached is accepted however old the last look is */
    MUTANT_NO_WAIT,      /* a change is acknowledged before the others have applied it */
    MUTANT_LATE_LEASE,   /* the lease is counted from the answer, not from the question */
    MUTANT_GAPS,         /* numbers of changes show in another order than they were given out */
    MUTANT_OWN_FOR_EVER, /* an entry's own reading needs no lease */
    MUTANT_UNLISTED,     /* a replica that was struck off goes on */
    MUTANT_EARLY_WATCH,  /* others are watched while not listed oneself */
    MUTANT_LATE_ADD,     /* one that was struck off and listed again unseen takes it for nothing */
    MUTANT_AHEAD,        /* what saw changes ahead of the feed is taken for the feed's future */
    MUTANTS,
};

#ifndef MUTANT
#define MUTANT MUTANT_NONE
#endif

/* Folds to false where no mistake is built in. */
static inline bool mutant_is(enum mutant mistake) {
    return mistake == MUTANT;
}

#endif
