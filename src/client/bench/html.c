/* What a load test found as one page, which needs nothing else: text, a table, plots. */
#include <math.h>

#include "client/bench/bench.h"
#include "client/bench/plot.h"

#define CURVE_POINTS 200

static const char page_head[] =
    "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n"
    "<title>mint bench</title>\n<style>\n"
    ":root{color-scheme:light "
    "dark;--ink:#1d2433;--back:#fff;--grid:#dfe3ea;--a:#1668b8;--b:#c2570c;"
    "--c:#8a2be2}\n"
    "@media (prefers-color-scheme:dark){:root{--ink:#dbe2ef;--back:#141821;--grid:#323a4a;"
    "--a:#6db3f2;--b:#f2a65a;--c:#c79bf2}}\n"
    "body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--back);"
    "max-width:800px;margin:2em auto;padding:0 1em}\n"
    "h1{font-size:1.4em}h2{font-size:1.05em;margin:1.6em 0 .3em}\n"
    "pre{white-space:pre-wrap;overflow-wrap:anywhere;border:1px solid var(--grid);padding:.8em}\n"
    "table{border-collapse:collapse}th,td{border:1px solid var(--grid);padding:.2em "
    ".7em;text-align:right}\n"
    "svg{width:100%;height:auto}svg text{font:12px system-ui,sans-serif;fill:var(--ink)}\n"
    "text.m{text-anchor:middle}text.e{text-anchor:end}\n"
    "line.g{stroke:var(--grid)}polyline{fill:none}\n"
    ".a{stroke:var(--a);stroke-width:2}.b{stroke:var(--b);stroke-width:2}"
    ".c{stroke:var(--c);stroke-width:2}\n"
    "circle.a{fill:var(--a)}circle.b{fill:var(--b)}circle.c{fill:var(--c)}\n"
    "</style>\n</head>\n<body>\n<h1>mint bench</h1>\n";

static void html_text(struct buffer *out, struct text text) {
    for (size_t i = 0; i < text.len; i++) {
        char byte = text.at[i];
        if (byte == '<' || byte == '>' || byte == '&' || byte == '"')
            buffer_format(out, "&#%d;", byte);
        else
            buffer_byte(out, byte);
    }
}

/* Axes */

static void label_time(struct buffer *out, double ns) {
    report_time(out, ns);
}

static void label_number(struct buffer *out, double value) {
    if (value >= 1e6)
        buffer_format(out, "%gM", value / 1e6);
    else if (value >= 1e3)
        buffer_format(out, "%gk", value / 1e3);
    else
        buffer_format(out, "%g", value);
}

static void label_quantile(struct buffer *out, double quantile) {
    buffer_format(out, "p%g", 100 * quantile);
}

/* Whole decades around the values, so that a log axis has ticks. */
static void axis_fit(struct plot_axis *axis, double least, double most) {
    double from = 1, to;
    while (from * 10 <= least)
        from *= 10;
    for (to = from * 10; to < most;)
        to *= 10;
    axis->from = from;
    axis->to = to;
}

/* Percentiles: the quantiles are chosen so that the points are equally far apart. */

static double curve_x(const void *self, size_t i) {
    (void)self;
    return 1 - pow(10, -4.0 * (double)i / CURVE_POINTS);
}

static double curve_y(const void *self, size_t i) {
    const struct bench *bench = self;
    return (double)latencies_at(&bench->result.tally.latencies, curve_x(self, i));
}

static void curve_write(const struct bench *bench, struct buffer *out) {
    static const struct plot_line lines[] = {{"latency", "a", curve_y}};
    struct plot plot = {.title = "Latency by percentile",
                        .x = {"percentile", PLOT_NINES, 0, 0.9999, label_quantile},
                        .y = {"latency", PLOT_LOG, 0, 0, label_time},
                        .x_value = curve_x,
                        .lines = lines,
                        .line_count = array_count(lines),
                        .count = CURVE_POINTS + 1,
                        .self = bench};
    axis_fit(&plot.y, curve_y(bench, 0), curve_y(bench, CURVE_POINTS));
    plot_write(&plot, out);
}

/* Over time */

static const struct load_point *point_at(const void *self, size_t i) {
    return &((const struct bench *)self)->result.points[i];
}
static double point_second(const void *self, size_t i) {
    return point_at(self, i)->second;
}
static double point_p50(const void *self, size_t i) {
    return (double)point_at(self, i)->p50_ns;
}
static double point_p99(const void *self, size_t i) {
    return (double)point_at(self, i)->p99_ns;
}
static double point_max(const void *self, size_t i) {
    return (double)point_at(self, i)->max_ns;
}

static void time_write(const struct bench *bench, struct buffer *out) {
    static const struct plot_line lines[] = {
        {"p50", "a", point_p50}, {"p99", "b", point_p99}, {"max", "c", point_max}};
    size_t count = bench->result.point_count;
    struct plot plot = {.title = "Latency over time",
                        .x = {"second", PLOT_LINEAR, 1, 2, label_number},
                        .y = {"latency", PLOT_LOG, 0, 0, label_time},
                        .x_value = point_second,
                        .lines = lines,
                        .line_count = array_count(lines),
                        .count = count,
                        .has_dots = count <= 60,
                        .self = bench};
    double least = 1e18, most = 1;
    for (size_t i = 0; i < count; i++) {
        least =
            point_p50(bench, i) > 0 && point_p50(bench, i) < least ? point_p50(bench, i) : least;
        most = point_max(bench, i) > most ? point_max(bench, i) : most;
    }
    if (count == 0 || least > most)
        return;
    if (point_second(bench, count - 1) > 2)
        plot.x.to = point_second(bench, count - 1);
    axis_fit(&plot.y, least, most);
    plot_write(&plot, out);
}

/* Latency against throughput */

static const struct knee_step *step_at(const void *self, size_t i) {
    return &((const struct bench *)self)->knee.steps[i];
}
static double step_rate(const void *self, size_t i) {
    return step_at(self, i)->rate;
}
static double step_goodput(const void *self, size_t i) {
    return step_at(self, i)->goodput;
}
static double step_p50(const void *self, size_t i) {
    return (double)step_at(self, i)->p50_ns;
}
static double step_p99(const void *self, size_t i) {
    return (double)step_at(self, i)->p99_ns;
}

static void steps_write(const struct bench *bench, struct buffer *out) {
    static const struct plot_line times[] = {{"p50", "a", step_p50}, {"p99", "b", step_p99}};
    static const struct plot_line rates[] = {{"good", "a", step_goodput},
                                             {"offered", "c", step_rate}};
    struct plot plot = {.title = "Latency against the rate",
                        .x = {"requests offered a second", PLOT_LOG, 0, 0, label_number},
                        .y = {"latency", PLOT_LOG, 0, 0, label_time},
                        .x_value = step_rate,
                        .lines = times,
                        .line_count = array_count(times),
                        .count = bench->knee.step_count,
                        .has_dots = true,
                        .self = bench};
    double least = 1e18, most = 1, rate_most;
    if (bench->knee.step_count == 0)
        return;
    for (size_t i = 0; i < bench->knee.step_count; i++) {
        least = step_p50(bench, i) > 0 && step_p50(bench, i) < least ? step_p50(bench, i) : least;
        most = step_p99(bench, i) > most ? step_p99(bench, i) : most;
    }
    rate_most = step_rate(bench, bench->knee.step_count - 1);
    axis_fit(&plot.x, step_rate(bench, 0), rate_most);
    axis_fit(&plot.y, least < most ? least : most, most);
    plot_write(&plot, out);
    plot.title = "Throughput against the rate";
    plot.x.scale = PLOT_LINEAR;
    plot.x.from = 0;
    plot.x.to = rate_most;
    plot.y = (struct plot_axis){"good/s", PLOT_LINEAR, 0, rate_most, label_number};
    plot.lines = rates;
    plot.line_count = array_count(rates);
    plot_write(&plot, out);
}

static void table_write(const struct bench *bench, struct buffer *out) {
    const struct latencies *latencies = &bench->result.tally.latencies;
    buffer_put(out, "<h2>Latency</h2>\n<table><tr><th>mean</th>");
    for (size_t i = 0; i < BENCH_QUANTILES; i++)
        buffer_format(out, "<th>%s</th>", bench_quantiles[i].name);
    buffer_put(out, "</tr>\n<tr><td>");
    report_time(out, latencies_mean_ns(latencies));
    for (size_t i = 0; i < BENCH_QUANTILES; i++) {
        buffer_put(out, "</td><td>");
        report_time(out, (double)latencies_at(latencies, bench_quantiles[i].quantile));
    }
    buffer_put(out, "</td></tr></table>\n");
}

void report_html(struct bench *bench, struct buffer *out) {
    struct buffer text = pool_buffer(&bench->client->pool, OUTPUT_BYTES);
    report_text(bench, &text);
    buffer_put(out, page_head);
    buffer_put(out, "<pre>");
    html_text(out, buffer_text(&text));
    buffer_put(out, "</pre>\n");
    table_write(bench, out);
    if (counter_get(&bench->result.tally.latencies.count) > 0)
        curve_write(bench, out);
    time_write(bench, out);
    steps_write(bench, out);
    buffer_put(out, "</body>\n</html>\n");
}
