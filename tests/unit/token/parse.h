/* JSON for tests, out of texts that are known to be good. */
#ifndef TESTS_PARSE_H
#define TESTS_PARSE_H

#include "token/json.h"

/* Parses into memory that parse_reset gives back; ends the program on bad JSON. */
const struct json *parse(const char *text);
const struct json *parse_text(struct text text);
void parse_reset(void);

#endif
