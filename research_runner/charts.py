"""The report's plots as inline SVG of our own: colours from the page's variables, so that light and dark both work."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from research_runner.results import Row

WIDTH, HEIGHT = 860, 300
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 14, 40
MOST_CLASSES = 30


class Scale:
    """Numbers to pixels along one axis."""

    def __init__(self, low: float, high: float, start: float, end: float) -> None:
        self.low, self.high = (low, high) if high > low else (low - 0.5, low + 0.5)
        self.start, self.end = start, end

    def __call__(self, value: float) -> float:
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)

    def ticks(self, count: int = 5) -> list[float]:
        """About `count` round values inside."""
        rough = (self.high - self.low) / count
        power = 10.0 ** len(str(int(1 / rough))) if rough < 1 else 1.0
        step = next(unit / power for unit in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 1e9) if unit / power >= rough)
        first = int(self.low / step) + (self.low > 0)
        return [round(number * step, 10) for number in range(first, int(self.high / step) + 1)]


def progress(rows: Sequence[Row]) -> str:
    """Metric of every experiment, kept ones joined by the frontier, bars of ± one standard deviation between seeds."""
    scored = [row for row in rows if row.metric is not None]
    if not scored:
        return ""
    # one hopeless experiment must not flatten the rest: the axis ends a little above the baseline
    values = sorted(row.metric for row in scored if row.metric is not None)
    ceiling = max(2 * (scored[0].metric or 0), values[len(values) // 2]) * 1.25
    x = Scale(0, max(row.experiment for row in rows) or 1, LEFT, WIDTH - RIGHT)
    y = Scale(0, ceiling, HEIGHT - BOTTOM, TOP)
    parts = [_axes(x, y, "experiment", "log loss (lower is better)")]
    for row in rows:
        if row.metric is None:
            parts.append(_text(x(row.experiment), TOP + 10, "×", "bad middle", f"#{row.experiment} {row.description}"))
            continue
        height = max(TOP, y(row.metric))
        kind = "kept" if row.status == "keep" else "dropped"
        if row.std is not None and row.status == "keep":
            ends = max(TOP, y(row.metric + row.std)), min(float(HEIGHT - BOTTOM), y(max(0.0, row.metric - row.std)))
            parts.append(_line(x(row.experiment), ends[0], x(row.experiment), ends[1], "spread"))
        words = f"#{row.experiment} {row.status} · {row.metric:.4f} · {row.description}"
        parts.append(
            f'<circle cx="{x(row.experiment):.1f}" cy="{height:.1f}" r="{6 if kind == "kept" else 4}" '
            f'class="{kind}"><title>{escape(words)}</title></circle>'
        )
    kept = [row for row in scored if row.status == "keep"]
    points = [(x(row.experiment), max(TOP, y(row.metric or 0))) for row in kept]
    last = x(max(row.experiment for row in rows))
    path = "".join(
        f"{'M' if number == 0 else f'H{across:.1f}V'}" + (f"{across:.1f},{down:.1f}" if number == 0 else f"{down:.1f}")
        for number, (across, down) in enumerate(points)
    )
    parts.append(f'<path d="{path}H{last:.1f}" class="frontier"/>')
    return _svg("".join(parts), "Progress of experiments")


def seeds(groups: Sequence[tuple[str, Sequence[float]]]) -> str:
    """A strip of dots for each named group of runs: how much the seed alone moves the metric."""
    everything = [value for _, values in groups for value in values]
    if not everything:
        return ""
    height = TOP + 34 * len(groups) + BOTTOM
    x = Scale(0, max(everything) * 1.1, LEFT + 150, WIDTH - RIGHT)
    parts = [
        _line(x(tick), TOP, x(tick), height - BOTTOM, "grid")
        + _text(x(tick), height - BOTTOM + 16, f"{tick:g}", "middle")
        for tick in x.ticks()
    ]
    for number, (name, values) in enumerate(groups):
        middle = TOP + 34 * number + 17
        parts.append(_text(LEFT + 140, middle + 4, name[:24], "end", name))
        parts += [f'<circle cx="{x(value):.1f}" cy="{middle}" r="5" class="kept soft"/>' for value in values]
        mean = sum(values) / len(values)
        parts.append(_line(x(mean), middle - 10, x(mean), middle + 10, "mean"))
    parts.append(_text((LEFT + WIDTH) / 2, height - 6, "log loss of single runs, with their mean", "middle"))
    return _svg("".join(parts), "Noise between seeds", height)


def learning(points: Sequence[tuple[int, float, float, float]]) -> str:
    """Accuracy (mean, lowest, highest over seeds) by number of training photos, which doubles along the axis."""
    x = Scale(math.log2(points[0][0]), math.log2(points[-1][0]), LEFT + 20, WIDTH - RIGHT - 20)
    lowest, highest = min(point[2] for point in points), max(point[3] for point in points)
    y = Scale(max(0.0, lowest - 0.02), min(1.0, highest + 0.02), HEIGHT - BOTTOM, TOP)
    parts = [
        _line(LEFT, y(tick), WIDTH - RIGHT, y(tick), "grid") + _text(LEFT - 8, y(tick) + 4, f"{tick:.0%}", "end")
        for tick in y.ticks()
    ]
    joined = " ".join(f"{x(math.log2(photos)):.1f},{y(mean):.1f}" for photos, mean, _, _ in points)
    parts.append(f'<polyline points="{joined}" class="frontier"/>')
    for photos, mean, low, high in points:
        across = x(math.log2(photos))
        parts.append(_line(across, y(high), across, y(low), "spread"))
        parts.append(
            f'<circle cx="{across:.1f}" cy="{y(mean):.1f}" r="5" class="kept">'
            f"<title>{photos:,} photos: {mean:.1%} ({low:.1%} to {high:.1%})</title></circle>"
        )
        parts.append(_text(across, HEIGHT - BOTTOM + 18, f"{photos:,}", "middle"))
    parts.append(_text((LEFT + WIDTH) / 2, HEIGHT - 4, "training photos", "middle"))
    return _svg("".join(parts), "Accuracy by number of training photos")


def confusion(labels: Sequence[str], counts: Sequence[Sequence[float]]) -> str:
    """Rows are true labels, columns what was said; darker is more, shares of the row."""
    if len(labels) > MOST_CLASSES:
        return ""
    cell = max(18, min(40, 560 // len(labels)))
    side, margin = cell * len(labels), 16 + 7 * min(15, max(len(label) for label in labels))
    parts = []
    for row, values in enumerate(counts):
        total = sum(values) or 1
        parts.append(_text(margin - 6, margin + cell * row + cell / 2 + 4, labels[row][:15], "end", labels[row]))
        turned = f'transform="rotate(-60 {margin + cell * row + cell / 2:.0f} {margin - 6})"'
        parts.append(_text(margin + cell * row + cell / 2, margin - 6, labels[row][:15], "", labels[row], turned))
        for column, value in enumerate(values):
            share = value / total
            shade = "right" if row == column else "wrong"
            place = f'x="{margin + cell * column}" y="{margin + cell * row}" width="{cell - 1}" height="{cell - 1}"'
            said = f"{labels[row]} taken for {labels[column]}: {value:g} of {total:g}"
            parts.append(
                f'<rect {place} class="{shade}" fill-opacity="{share:.3f}"><title>{escape(said)}</title></rect>'
            )
            if value:
                across, down = margin + cell * column + cell / 2, margin + cell * row + cell / 2 + 4
                colour = "paper" if share > 0.5 else "ink"
                parts.append(_text(across, down, f"{value:g}", f"middle small {colour}", said))
    return _svg("".join(parts), "Confusion matrix", margin + side + 10, margin + side + 10)


def _axes(x: Scale, y: Scale, below: str, beside: str) -> str:
    parts = [
        _line(LEFT, y(tick), WIDTH - RIGHT, y(tick), "grid") + _text(LEFT - 8, y(tick) + 4, f"{tick:g}", "end")
        for tick in y.ticks()
    ]
    whole = [tick for tick in x.ticks(12) if tick == int(tick)]
    parts += [_text(x(tick), HEIGHT - BOTTOM + 18, f"{tick:g}", "middle") for tick in whole]
    parts.append(_text((LEFT + WIDTH) / 2, HEIGHT - 4, below, "middle"))
    middle = (TOP + HEIGHT - BOTTOM) / 2
    parts.append(_text(16, middle, beside, "middle", beside, f'transform="rotate(-90 16 {middle:.0f})"'))
    return "".join(parts)


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{kind}"/>'


def _text(x: float, y: float, words: str, kind: str, title: str = "", more: str = "") -> str:
    told = f"<title>{escape(title)}</title>" if title else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" {more}>{escape(words)}{told}</text>'


def _svg(body: str, title: str, height: float = HEIGHT, width: float = WIDTH) -> str:
    return (
        f'<svg viewBox="0 0 {width:.0f} {height:.0f}" role="img" aria-label="{escape(title)}" '
        f'style="max-width:{width:.0f}px">{body}</svg>'
    )
