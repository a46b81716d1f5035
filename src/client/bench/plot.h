/* Plots as SVG within a page: lines over two axes. */
#ifndef CLIENT_BENCH_PLOT_H
#define CLIENT_BENCH_PLOT_H

#include "base/text.h"

/* Where the values of an axis go. */
enum plot_scale {
    PLOT_LINEAR,
    PLOT_LOG,   /* values above 0 */
    PLOT_NINES, /* quantiles from 0 to below 1: 0.9, 0.99, 0.999 are equally far apart */
};
struct plot_axis {
    const char *title;
    enum plot_scale scale;
    double from, to; /* from < to */
    void (*label)(struct buffer *out, double value);
};
struct plot_line {
    const char *name;
    const char *css; /* class of the line */
    double (*value)(const void *self, size_t i);
};
struct plot {
    const char *title;
    struct plot_axis x, y;
    double (*x_value)(const void *self, size_t i);
    const struct plot_line *lines;
    size_t line_count;
    size_t count; /* points of each line */
    bool has_dots;
    const void *self;
};

/* The plot as one <svg> element, at most PLOT_BYTES and PLOT_POINT_BYTES a point. */
#define PLOT_BYTES 16384
#define PLOT_POINT_BYTES 96
void plot_write(const struct plot *plot, struct buffer *out);

#endif
