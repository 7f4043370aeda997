"""Small charts as inline SVG: a page that anybody can open, without scripts or anything from elsewhere."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

WIDTH, HEIGHT, LEFT, BOTTOM = 640, 240, 54, 34


def _frame(body: str, title: str, height: int = HEIGHT) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(title, quote=True)}">{body}</svg>'
        f"<figcaption>{escape(title)}</figcaption>"
    )


def _nice(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 10 else f"{value:.3g}"


def lines(
    series: Sequence[tuple[str, Sequence[tuple[float, float]]]],
    title: str,
    x_label: str,
    y_label: str,
    *,
    y_from: float | None = None,
    doubling: bool = False,
) -> str:
    """Series (css class, points) over common axes, which name their ends; doubling: the horizontal axis is log 2."""
    points = [point for _, each in series for point in each]
    if not points:
        return _frame(f'<text x="20" y="40">{escape(title)}: nothing to show</text>', title)
    scale = math.log2 if doubling else float
    x0, x1 = scale(min(x for x, _ in points)), scale(max(x for x, _ in points))
    y0, y1 = min(y for _, y in points) if y_from is None else y_from, max(y for _, y in points)
    wide, high = (x1 - x0) or 1, (y1 - y0) or 1

    def at(x: float, y: float) -> tuple[float, float]:
        return (
            LEFT + (scale(x) - x0) / wide * (WIDTH - LEFT - 16),
            HEIGHT - BOTTOM - (y - y0) / high * (HEIGHT - BOTTOM - 18),
        )

    body = [f'<path class="axis" d="M{LEFT} 12V{HEIGHT - BOTTOM}H{WIDTH - 12}"/>']
    for y in (y0, (y0 + y1) / 2, y1):
        body.append(f'<text x="{LEFT - 6}" y="{at(1, y)[1] + 4:.1f}" text-anchor="end">{_nice(y)}</text>')
    first, last = min(x for x, _ in points), max(x for x, _ in points)
    body.append(f'<text x="{LEFT}" y="{HEIGHT - 12}">{_nice(first)}</text>')
    body.append(
        f'<text x="{WIDTH - 14}" y="{HEIGHT - 12}" text-anchor="end">{_nice(last)} {escape(x_label)}</text>'
        f'<text x="{LEFT + 6}" y="20">{escape(y_label)}</text>'
    )
    for kind, each in series:
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (at(*point) for point in each))
        if "dots" in kind:
            body += [
                f'<circle class="{kind}" r="4" cx="{x:.1f}" cy="{y:.1f}"/>' for x, y in (at(*point) for point in each)
            ]
        else:
            body.append(f'<polyline class="{kind}" points="{path}"/>')
    return _frame("".join(body), title)


def bars(rows: Sequence[tuple[str, float, str]], title: str) -> str:
    """Horizontal bars (label, size, what to write beside)."""
    most = max((size for _, size, _ in rows), default=1) or 1
    body = []
    for i, (label, size, note) in enumerate(rows):
        y = 14 + i * 30
        long = max(2.0, size / most * (WIDTH - 330))
        body.append(
            f'<text x="0" y="{y + 15}">{escape(label)}</text>'
            f'<rect class="bar" x="200" y="{y}" width="{long:.1f}" height="20" rx="3"/>'
            f'<text x="{208 + long:.1f}" y="{y + 15}">{escape(note)}</text>'
        )
    return _frame("".join(body), title, 20 + 30 * len(rows))
