"""Plots as SVG: a background that shows through, and a grey for text that can be read on white and on black."""

from html import escape

TEXT, FAINT = "#777b80", "#777b8055"
# Colour and dashes per series, so that colours are not needed to tell them apart.
STYLES = {
    "plain": ("#e0533d", "2 4"),
    "sticky": ("#c98500", "8 4"),
    "sticky_anew": ("#c98500", "1 5"),
    "stateless": ("#2f8f63", ""),
    "stateless_writes": ("#2f8f63", "10 3 2 3"),
}


def svg(width, height, title, description, parts):
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" '
        f'aria-labelledby="title description" font-family="system-ui, sans-serif" font-size="13" fill="{TEXT}">',
        f'<title id="title">{escape(title)}</title>',
        f'<desc id="description">{escape(description)}</desc>',
        text(12, 22, title, size=15, weight="bold"),
        *parts,
        "</svg>",
        "",
    ])


def text(x, y, words, anchor="start", size=13, weight="normal", colour=TEXT):
    return (f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" font-weight="{weight}" fill="{colour}">'
            f"{escape(str(words))}</text>")


def line(x1, y1, x2, y2, colour=FAINT, dashes="", width=1):
    return (f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" stroke-width="{width}" '
            f'stroke-dasharray="{dashes}"/>')


def step(most):
    """A round distance of about a fifth."""
    unit = 10 ** (len(str(int(most / 5))) - 1)
    return next(unit * factor for factor in (1, 2, 5, 10) if unit * factor * 5 >= most)


def growth(title, description, sizes, series):
    """Lines over the number of instances. A series is (key, label, spreads per size)."""
    left, top, width, height = 70, 50, 420, 250
    most = max(spread.high for _, _, spreads in series for spread in spreads)
    top_value = -(-most // step(most)) * step(most)
    x = lambda size: left + width * size / sizes[-1]
    y = lambda value: top + height * (1 - value / top_value)
    parts = [text(left, top - 8, "right answers per second", size=12)]
    for value in range(0, int(top_value) + 1, step(most)):
        parts += [line(left, y(value), left + width, y(value)), text(left - 8, y(value) + 4, f"{value:,}", "end")]
    parts += [text(x(size), top + height + 20, size, "middle") for size in sizes]
    parts.append(text(left + width / 2, top + height + 42, "instances, each with a tenth of a CPU", "middle", 12))
    labels = []
    for key, label, spreads in series:
        colour, dashes = STYLES[key]
        points = " ".join(f"{x(size):.1f},{y(spread.middle):.1f}" for size, spread in zip(sizes, spreads))
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2.5" stroke-dasharray="{dashes}"/>')
        for size, spread in zip(sizes, spreads):
            parts.append(line(x(size), y(spread.low), x(size), y(spread.high), colour, width=2))
            parts.append(f'<circle cx="{x(size):.1f}" cy="{y(spread.middle):.1f}" r="3.5" fill="{colour}"/>')
        labels.append((y(spreads[-1].middle) + 4, label, colour))
    lowest = top + height + 18
    for at, label, colour in sorted(labels, reverse=True):
        # Labels of lines that end close to each other are moved apart.
        lowest = min(at, lowest - 17)
        parts.append(text(left + width + 12, lowest, label, colour=colour))
    return svg(left + width + 280, top + height + 56, title, description, parts)


def bars(title, description, groups, shown, mark=None):
    """Groups of bars, one below the other. A group is (label, spreads by series); a series is (key, label). A mark is drawn at a
    value, as (value, label)."""
    series = [("plain", "stateful"), ("sticky", "stateful, sticky"), ("stateless", "stateless")]
    left, top, width, bar, gap = 12, 68, 480, 16, 40
    most = max(spread.high for _, spreads in groups for spread in spreads.values())
    x = lambda value: left + width * value / most
    parts, at = [], left
    for key, label in series:
        parts += [f'<rect x="{at}" y="34" width="12" height="12" fill="{STYLES[key][0]}"/>', text(at + 18, 45, label)]
        at += 40 + 7 * len(label)
    y = top
    for label, spreads in groups:
        parts.append(text(left, y + 10, label, weight="bold"))
        for number, (key, _) in enumerate(series):
            spread, at = spreads[key], y + 18 + number * (bar + 3)
            colour = STYLES[key][0]
            parts.append(f'<rect x="{left}" y="{at}" width="{max(1.5, x(spread.middle) - left):.1f}" height="{bar}" fill="{colour}"/>')
            parts.append(line(x(spread.low), at + bar / 2, x(spread.high), at + bar / 2, TEXT, width=1.5))
            parts.append(text(x(max(spread.middle, spread.high)) + 8, at + 13, shown(spread.middle)))
        y += 18 + 3 * (bar + 3) + gap - 18
    if mark:
        parts += [line(x(mark[0]), top + 14, x(mark[0]), y - 16, TEXT, "3 3"), text(x(mark[0]), y - 2, mark[1], "middle", 12)]
    return svg(left + width + 70, y + 8, title, description, parts)
