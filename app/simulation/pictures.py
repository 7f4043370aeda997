"""A simulated market to look at: SVG files that any browser opens, with axes that say what they measure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import NamedTuple

from app.simulation.outcome import Result

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 720, 420, 70, 24, 46, 54
COLOURS = ("#1b6ca8", "#c8553d", "#3b8b5a", "#8a5fb0", "#b8860b", "#4a4a4a")
_STYLE = "<style>text{font:13px system-ui,sans-serif;fill:#222}.title{font-size:16px;font-weight:600}</style>"


class Line(NamedTuple):
    """Points joined, or dots with a size each. label: in the legend, none where it is empty."""

    label: str
    points: Sequence[tuple[float, float]]
    colour: str
    sizes: Sequence[float] | None = None
    dashes: str = ""
    opacity: float = 1.0


class Tenth(NamedTuple):
    """Of forecasts: the mean chance, the share that came true, how many."""

    foretold: float
    came: float
    forecasts: int


def write(result: Result, folder: Path) -> list[Path]:
    """Every picture that there is something for, in this folder; their paths."""
    pictures = {"price_paths": price_paths(result), "fill_curves": fill_curves(result), "earnings": earnings(result)}
    pictures["filled_and_spent"] = filled_and_spent(result)
    if result.calibration is not None:
        tenths = [
            Tenth(each.predicted, each.observed, each.count)
            for each in result.calibration.bins
            if each.predicted is not None and each.observed is not None
        ]
        pictures["reliability"] = reliability(tenths)
    written = []
    for name, picture in pictures.items():
        if picture:
            path = folder / f"{name}.svg"
            path.write_text(picture, encoding="utf-8")
            written.append(path)
    return written


def price_paths(result: Result) -> str:
    """Rising prices as they went, each up to the moment at which it was claimed."""
    drawn: list[Line] = []
    taken: list[tuple[float, float]] = []
    left: list[tuple[float, float]] = []
    for path in result.rising:
        points: list[tuple[float, float]] = []
        for hour, cents in zip(path.hours, path.cents, strict=True):
            points += [(hour, points[-1][1])] if points else []
            points.append((hour, cents))
        if path.claimed_h is not None and path.claimed_at is not None:
            points.append((path.claimed_h, path.claimed_at))
            taken.append(points[-1])
        else:
            left.append(points[-1])
        drawn.append(Line("", points, COLOURS[0], opacity=0.45))
    if not drawn:
        return ""
    drawn.append(Line("claimed, and paid later", taken, COLOURS[2], [4.0] * len(taken)))
    drawn.append(Line("not answered", left, COLOURS[1], [4.0] * len(left)))
    return chart("Rising prices until somebody takes the task", "hours after posting", "cents", drawn)


def fill_curves(result: Result) -> str:
    """How much of the slots was filled after so many hours, by the fixed price."""
    lines = []
    for colour, curve in zip(COLOURS, result.by_price, strict=False):
        label = f"below {curve.high:g}" if not curve.low else f"{curve.low:g} to {curve.high:g}"
        label = f"{curve.low:g} or more" if curve.high is None else label
        points = [(0.0, 0.0), *zip(curve.hours, curve.shares, strict=True)]
        lines.append(Line(f"{label} ({curve.slots})", [point for point in points if point[0] <= 48], colour))
    return chart(
        "Slots filled, by the fixed price in parts of the usual",
        "hours after posting",
        "share of slots",
        lines,
        y_to=1.0,
    )


def reliability(tenths: Sequence[Tenth]) -> str:
    """What was foretold against what came true; forecasts are right on the diagonal. Dots by how many."""
    most = max((each.forecasts for each in tenths), default=1)
    dots = [(each.foretold, each.came) for each in tenths]
    sizes = [3 + 11 * math.sqrt(each.forecasts / most) for each in tenths]
    lines = [
        Line("as foretold", [(0, 0), (1, 1)], "#999999", dashes="6 4"),
        Line(f"{sum(each.forecasts for each in tenths)} chances", dots, COLOURS[0], sizes, opacity=0.75),
    ]
    return chart("Forecasts of being filled, and what came true", "chance foretold", "share", lines, x_to=1.0, y_to=1.0)


def filled_and_spent(result: Result) -> str:
    """By kind: the share filled in time, and what was spent on it."""
    rows = [
        (kind, each.share, f"{each.share:.0%} of {each.slots}, {(each.paid + each.fees) / 100:,.0f} usd spent")
        for kind, each in result.by_kind.items()
    ]
    return bars("Slots filled in time, and money spent, by kind", rows, most=1.0)


def earnings(result: Result) -> str:
    """What people earned, by tenths from the least to the most."""
    rows = [
        (f"tenth {n}", value, f"{value / 100:,.2f} usd") for n, value in enumerate(result.earnings, 1)
    ]  # fmt: skip
    return bars(f"Mean earnings of {result.earners} people, by tenths", rows) if rows else ""


def chart(
    title: str,
    x_label: str,
    y_label: str,
    lines: Sequence[Line],
    *,
    x_to: float | None = None,
    y_to: float | None = None,
) -> str:
    """Lines and dots over axes that begin at zero."""
    points = [point for line in lines for point in line.points]
    across = x_to or max((x for x, _ in points), default=1.0) or 1.0
    up = y_to or max((y for _, y in points), default=1.0) * 1.05 or 1.0

    def at(x: float, y: float) -> tuple[float, float]:
        return LEFT + x / across * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - y / up * (HEIGHT - TOP - BOTTOM)

    body = []
    for tick in ticks(up):
        y = at(0, tick)[1]
        body.append(f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="#e4e4e4"/>')
        body.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{tick:g}</text>')
    for tick in ticks(across):
        body.append(f'<text x="{at(tick, 0)[0]:.1f}" y="{HEIGHT - BOTTOM + 20}" text-anchor="middle">{tick:g}</text>')
    body.append(f'<path d="M{LEFT} {TOP}V{HEIGHT - BOTTOM}H{WIDTH - RIGHT}" stroke="#555" fill="none"/>')
    body.append(f'<text x="{(LEFT + WIDTH) / 2:.0f}" y="{HEIGHT - 12}" text-anchor="middle">{escape(x_label)}</text>')
    middle = (TOP + HEIGHT - BOTTOM) / 2
    body.append(
        f'<text transform="translate(18 {middle:.0f}) rotate(-90)" text-anchor="middle">{escape(y_label)}</text>'
    )
    for line in lines:
        body.append(_drawn(line, [at(*point) for point in line.points]))
    return _file(title, body + _legend(lines), HEIGHT)


def _drawn(line: Line, points: Sequence[tuple[float, float]]) -> str:
    if line.sizes is not None:
        return "".join(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{size:.1f}" fill="{line.colour}" fill-opacity="{line.opacity}"/>'
            for (x, y), size in zip(points, line.sizes, strict=True)
        )
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return (
        f'<polyline points="{path}" fill="none" stroke="{line.colour}" stroke-width="2" '
        f'stroke-dasharray="{line.dashes}" stroke-opacity="{line.opacity}"/>'
    )


def _legend(lines: Sequence[Line]) -> list[str]:
    named = [line for line in lines if line.label]
    longest = max((len(line.label) for line in named), default=0)
    left = WIDTH - RIGHT - 7.0 * longest - 24
    found = [
        f'<rect x="{left - 8:.0f}" y="{HEIGHT - BOTTOM - 20 * len(named) - 12}" width="{7.0 * longest + 32:.0f}" '
        f'height="{20 * len(named) + 6}" fill="white" fill-opacity="0.8"/>'
    ]
    for i, line in enumerate(named):
        y = HEIGHT - BOTTOM - 20 * (len(named) - i) + 2
        found.append(f'<circle cx="{left:.0f}" cy="{y - 4}" r="5" fill="{line.colour}"/>')
        found.append(f'<text x="{left + 12:.0f}" y="{y}">{escape(line.label)}</text>')
    return found


def bars(title: str, rows: Sequence[tuple[str, float, str]], most: float | None = None) -> str:
    """Horizontal bars (label, size, what to write beside)."""
    longest = most or max((size for _, size, _ in rows), default=1.0) or 1.0
    body = []
    for i, (label, size, note) in enumerate(rows):
        y = TOP + i * 32
        wide = max(1.0, size / longest * (WIDTH - LEFT - 330))
        body.append(f'<text x="{LEFT + 20}" y="{y + 16}" text-anchor="end">{escape(label)}</text>')
        body.append(f'<rect x="{LEFT + 30}" y="{y}" width="{wide:.1f}" height="22" rx="3" fill="{COLOURS[0]}"/>')
        body.append(f'<text x="{LEFT + 38 + wide:.1f}" y="{y + 16}">{escape(note)}</text>')
    return _file(title, body, TOP + 32 * len(rows) + 14)


def ticks(up_to: float) -> list[float]:
    """Four to eight round numbers from zero to `up_to`."""
    power = 10.0 ** math.floor(math.log10(up_to))
    step = next(each * power for each in (0.1, 0.2, 0.5, 1.0, 2.0) if up_to / (each * power) <= 8)
    return [round(n * step, 10) for n in range(int(up_to / step + 1e-9) + 1)]


def _file(title: str, body: Sequence[str], height: int) -> str:
    name = escape(title, quote=True)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        f'role="img" aria-label="{name}">{_STYLE}<rect width="100%" height="100%" fill="white"/>'
        f'<text class="title" x="{LEFT - 40}" y="26">{name}</text>{"".join(body)}</svg>\n'
    )
