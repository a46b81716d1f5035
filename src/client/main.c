/* mint, the command-line client of mintd. */
#include "client/run.h"

extern char **environ;

int main(int count, char **arguments) {
    return client_main(count, arguments, environ);
}
