/* Plots as SVG within a page: lines over two axes. */
#include "client/bench/plot.h"

#include <math.h>

#define WIDTH 760.0
#define HEIGHT 300.0
#define LEFT 80.0
#define RIGHT 28.0
#define TOP 34.0
#define BOTTOM 46.0
#define TICKS_MAX 12

/* The value on a scale that is linear. */
static double scaled(enum plot_scale scale, double value) {
    switch (scale) {
    case PLOT_LINEAR:
        return value;
    case PLOT_LOG:
        return log10(value > 1e-9 ? value : 1e-9);
    case PLOT_NINES:
        return -log10(1 - (value < 0.9999999 ? value : 0.9999999));
    }
    return value;
}

/* 0 to 1 along the axis. */
static double part_of(const struct plot_axis *axis, double value) {
    double from = scaled(axis->scale, axis->from), to = scaled(axis->scale, axis->to);
    double part = (scaled(axis->scale, value) - from) / (to - from);
    return part < 0 ? 0 : part > 1 ? 1 : part;
}

static double x_of(const struct plot *plot, double value) {
    return LEFT + part_of(&plot->x, value) * (WIDTH - LEFT - RIGHT);
}

static double y_of(const struct plot *plot, double value) {
    return HEIGHT - BOTTOM - part_of(&plot->y, value) * (HEIGHT - TOP - BOTTOM);
}

/* 1, 2 or 5 times a power of ten: about six of them make the range. */
static double tick_step(double range) {
    double power = pow(10, floor(log10(range / 6))), times = range / 6 / power;
    return power * (times < 1.5 ? 1 : times < 3.5 ? 2 : times < 7.5 ? 5 : 10);
}

/* The values to be named along the axis; how many. */
static size_t ticks_make(const struct plot_axis *axis, double ret_ticks[static TICKS_MAX]) {
    static const double nines[] = {0, 0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999};
    size_t count = 0;
    if (axis->scale == PLOT_NINES) {
        for (size_t i = 0; i < array_count(nines); i++)
            if (nines[i] >= axis->from && nines[i] <= axis->to)
                ret_ticks[count++] = nines[i];
    } else if (axis->scale == PLOT_LOG) {
        for (double at = pow(10, ceil(log10(axis->from) - 1e-9));
             at <= axis->to * 1.001 && count < TICKS_MAX; at *= 10)
            ret_ticks[count++] = at;
    } else {
        double step = tick_step(axis->to - axis->from);
        for (double at = ceil(axis->from / step) * step;
             at <= axis->to + step / 1000 && count < TICKS_MAX; at += step)
            ret_ticks[count++] = at;
    }
    return count;
}

static void grid_write(const struct plot *plot, struct buffer *out) {
    double ticks[TICKS_MAX];
    size_t count = ticks_make(&plot->x, ticks);
    for (size_t i = 0; i < count; i++) {
        double x = x_of(plot, ticks[i]);
        buffer_format(out, "<line class=\"g\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>", x,
                      TOP, x, HEIGHT - BOTTOM);
        buffer_format(out, "<text class=\"m\" x=\"%.1f\" y=\"%.1f\">", x, HEIGHT - BOTTOM + 16);
        plot->x.label(out, ticks[i]);
        buffer_put(out, "</text>");
    }
    count = ticks_make(&plot->y, ticks);
    for (size_t i = 0; i < count; i++) {
        double y = y_of(plot, ticks[i]);
        buffer_format(out, "<line class=\"g\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>",
                      LEFT, y, WIDTH - RIGHT, y);
        buffer_format(out, "<text class=\"e\" x=\"%.1f\" y=\"%.1f\">", LEFT - 6, y + 4);
        plot->y.label(out, ticks[i]);
        buffer_put(out, "</text>");
    }
}

static void line_write(const struct plot *plot, size_t number, struct buffer *out) {
    const struct plot_line *line = &plot->lines[number];
    double x = LEFT + 110 * (double)number;
    buffer_format(out, "<polyline class=\"%s\" points=\"", line->css);
    for (size_t i = 0; i < plot->count; i++)
        buffer_format(out, "%.1f,%.1f ", x_of(plot, plot->x_value(plot->self, i)),
                      y_of(plot, line->value(plot->self, i)));
    buffer_put(out, "\"/>");
    for (size_t i = 0; i < plot->count && plot->has_dots; i++)
        buffer_format(out, "<circle class=\"%s\" cx=\"%.1f\" cy=\"%.1f\" r=\"3\"/>", line->css,
                      x_of(plot, plot->x_value(plot->self, i)),
                      y_of(plot, line->value(plot->self, i)));
    buffer_format(out, "<line class=\"%s\" x1=\"%.1f\" y1=\"14\" x2=\"%.1f\" y2=\"14\"/>",
                  line->css, x, x + 20);
    buffer_format(out, "<text x=\"%.1f\" y=\"18\">%s</text>", x + 26, line->name);
}

void plot_write(const struct plot *plot, struct buffer *out) {
    check(plot->x.from < plot->x.to && plot->y.from < plot->y.to);
    buffer_format(out, "<h2>%s</h2>\n<svg viewBox=\"0 0 %.0f %.0f\" role=\"img\" ", plot->title,
                  WIDTH, HEIGHT);
    buffer_format(out, "aria-label=\"%s\">\n", plot->title);
    grid_write(plot, out);
    for (size_t i = 0; i < plot->line_count; i++)
        line_write(plot, i, out);
    buffer_format(out, "<text class=\"m\" x=\"%.1f\" y=\"%.1f\">%s</text>",
                  (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8, plot->x.title);
    buffer_format(out, "<text class=\"e\" x=\"%.1f\" y=\"18\">%s</text>\n</svg>\n", LEFT - 6,
                  plot->y.title);
}
