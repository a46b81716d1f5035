"""The peers' figures as one HTML page that needs nothing else: table and percentile curves."""

import html
import math

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 860, 380, 70, 190, 16, 40
MARKS = [0, 0.5, 0.9, 0.99, 0.999, 0.9999]
HEAD = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"/><title>Issuers side by side</title><style>
:root{color-scheme:light dark}
body{font:15px/1.5 system-ui,sans-serif;max-width:900px;margin:2em auto;padding:0 1em}
table{border-collapse:collapse}
td,th{padding:.15em .6em;text-align:right}td{border-bottom:1px solid #8886}
td:first-child,td:last-child,th:first-child,th:last-child{text-align:left}
svg{width:100%;height:auto}text{font:12px system-ui,sans-serif;fill:currentColor}
polyline{fill:none;stroke-width:2}line{stroke:#8886}
</style></head><body><h1>Issuers side by side</h1>
"""


def x_of(quantile):
    """A nine more is as far again."""
    return LEFT - math.log10(1 - quantile) / 4 * (WIDTH - LEFT - RIGHT)


def time_of(us):
    return f"{us / 1e6:g} s" if us >= 1e6 else f"{us / 1e3:g} ms" if us >= 1e3 else f"{us:g} µs"


def curves_of(curves):
    """{name: [[quantile, µs], …]} as an <svg>, both axes logarithmic."""
    times = [max(us, 1) for points in curves.values() for _, us in points]
    low, high = math.floor(math.log10(min(times))), math.floor(math.log10(max(times))) + 1

    def y_of(us):
        part = (math.log10(max(us, 1)) - low) / (high - low)
        return HEIGHT - BOTTOM - part * (HEIGHT - TOP - BOTTOM)
    out = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="latency by percentile">']
    for quantile in MARKS:
        x = x_of(quantile)
        out.append(f'<line x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{HEIGHT - BOTTOM}"/>'
                   f'<text x="{x:.1f}" y="{HEIGHT - 20}" text-anchor="middle">p{quantile * 100:g}'
                   '</text>')
    for power in range(low, high + 1):
        y = y_of(10 ** power)
        out.append(f'<line x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}"/>'
                   f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">'
                   f'{time_of(10 ** power)}</text>')
    for number, (name, points) in enumerate(curves.items()):
        color = f"hsl({number * 360 / len(curves):.0f} 70% 48%)"
        places = " ".join(f"{x_of(quantile):.1f},{y_of(us):.1f}" for quantile, us in points)
        y = TOP + 14 + 22 * number
        left = WIDTH - RIGHT + 12
        out.append(f'<polyline style="stroke:{color}" points="{places}"/>'
                   f'<line style="stroke:{color};stroke-width:3" x1="{left}" x2="{left + 20}" '
                   f'y1="{y - 4}" y2="{y - 4}"/>'
                   f'<text x="{left + 26}" y="{y}">{html.escape(name)}</text>')
    return "\n".join([*out, "</svg>"])


def page_of(rows, curves, notes):
    """The whole page: rows of text, curves by name, lines below."""
    cells = [[f"<{tag}>{html.escape(cell)}</{tag}>" for cell in row]
             for tag, row in zip(["th", *["td"] * (len(rows) - 1)], rows)]
    table = "\n".join("<tr>" + "".join(row) + "</tr>" for row in cells)
    below = "".join(f"<p>{html.escape(note)}</p>\n" for note in notes)
    return (f"{HEAD}<table>{table}</table>\n{below}<h2>Latency by percentile</h2>\n"
            f"{curves_of(curves)}\n</body></html>\n")
