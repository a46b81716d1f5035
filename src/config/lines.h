/* The lines of a configuration file. Not for other layers. */
#ifndef CONFIG_LINES_H
#define CONFIG_LINES_H

#include "base/text.h"

/* for (struct config_line line = {.rest = text}; config_line_next(&line);) … */
struct config_line {
    struct text rest;
    uint32_t number; /* from 1 */
    struct text name;
    struct text value;
    const char *wrong; /* why the line cannot be read; NULL: name and value are there */
};
/* Goes on to the next line that is not empty; false at the end. Texts point into the file's. */
bool config_line_next(struct config_line *line);

#endif
