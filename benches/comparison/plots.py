"""Plots as SVG, which can be read on a light and on a dark page."""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape
from typing import Optional, Sequence

WIDTH = 720
STYLE = """<style>
text { font: 13px system-ui, sans-serif; fill: #24292f }
.quiet { fill: #57606a }
.grid { stroke: #d0d7de; stroke-width: 1 }
.s0 { fill: #0969da; stroke: #0969da } .s1 { fill: #bc4c00; stroke: #bc4c00 }
.s2 { fill: #1a7f37; stroke: #1a7f37 } .s3 { fill: #8250df; stroke: #8250df } .s4 { fill: #6e7781; stroke: #6e7781 }
.line { fill: none; stroke-width: 2 }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 } .quiet { fill: #9198a1 } .grid { stroke: #3d444d }
.s0 { fill: #58a6ff; stroke: #58a6ff } .s1 { fill: #f0883e; stroke: #f0883e }
.s2 { fill: #3fb950; stroke: #3fb950 } .s3 { fill: #bc8cff; stroke: #bc8cff } .s4 { fill: #8b949e; stroke: #8b949e }
.line { fill: none }
}
</style>
"""


def _svg(height: int, title: str, body: Sequence[str]) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
        f' role="img" aria-label="{escape(title)}">\n'
    )
    headline = f'<text x="0" y="16" font-weight="600">{escape(title)}</text>'
    return head + STYLE + "\n".join([headline, *body]) + "\n</svg>\n"


def _text(x: float, y: float, text: str, anchor: str = "start", quiet: bool = False) -> str:
    kind = ' class="quiet"' if quiet else ""
    return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}"{kind}>{escape(text)}</text>'


@dataclass(frozen=True)
class Bar:
    label: str
    value: float
    #: What stands beside it.
    note: str
    series: int


def bars(title: str, given: Sequence[Bar]) -> str:
    """Horizontal bars, which begin at 0."""
    left, right, step = 230, 130, 24
    most = max(bar.value for bar in given)
    body = []
    for place, bar in enumerate(given):
        y = 30 + place * step
        width = bar.value / most * (WIDTH - left - right)
        body.append(_text(left - 8, y + 13, bar.label, "end"))
        body.append(f'<rect class="s{bar.series}" x="{left}" y="{y}" width="{width:.1f}" height="16" rx="2"/>')
        body.append(_text(left + width + 6, y + 13, bar.note, quiet=True))
    return _svg(34 + len(given) * step, title, body)


@dataclass(frozen=True)
class Series:
    label: str
    #: Their places, and what stands beside them, if anything.
    points: Sequence[tuple[float, float, str]]
    index: int


@dataclass(frozen=True)
class Axis:
    label: str
    is_log: bool = False
    #: The values that get a label.
    ticks: Optional[Sequence[float]] = None
    #: Whether a linear one begins at 0.
    has_zero: bool = True

    def scale(self, values: Sequence[float]) -> tuple[float, float]:
        if self.is_log:
            return math.log(min(values) / 1.2), math.log(max(values) * 1.2)
        if not self.has_zero:
            margin = (max(values) - min(values)) * 0.12 or max(values) * 0.1
            return min(values) - margin, max(values) + margin
        return 0, max(values) * 1.08

    def at(self, value: float) -> float:
        return math.log(value) if self.is_log else value

    def marks(self, values: Sequence[float]) -> list[float]:
        if self.ticks is not None:
            return list(self.ticks)
        if self.is_log:
            powers = range(math.floor(math.log10(min(values))), math.ceil(math.log10(max(values))) + 1)
            marks = [digit * 10.0**power for power in powers for digit in (1, 2, 5)]
            return [mark for mark in marks if min(values) / 1.2 <= mark <= max(values) * 1.2]
        low, high = self.scale(values)
        rough = (high - low) / 5
        power = 10 ** math.floor(math.log10(rough))
        step = next(digit * power for digit in (1, 2, 5, 10) if digit * power >= rough)
        return [step * n for n in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:g}"


def lines(title: str, x_axis: Axis, y_axis: Axis, series: Sequence[Series]) -> str:
    """Series of points that a line connects."""
    left, right, top, bottom, height = 60, 150, 52, 48, 360
    all_x = [x for one in series for x, _, _ in one.points] + list(x_axis.ticks or [])
    all_y = [y for one in series for _, y, _ in one.points]
    (x0, x1), (y0, y1) = x_axis.scale(all_x), y_axis.scale(all_y)

    def place(x: float, y: float) -> tuple[float, float]:
        across = (x_axis.at(x) - x0) / (x1 - x0)
        up = (y_axis.at(y) - y0) / (y1 - y0)
        return left + across * (WIDTH - left - right), height - bottom - up * (height - top - bottom)

    body = []
    for mark in y_axis.marks(all_y):
        _, y = place(all_x[0], mark)
        body.append(f'<line class="grid" x1="{left}" x2="{WIDTH - right}" y1="{y:.1f}" y2="{y:.1f}"/>')
        body.append(_text(left - 6, y + 4, _number(mark), "end", quiet=True))
    for mark in x_axis.marks(all_x):
        x, _ = place(mark, all_y[0])
        body.append(_text(x, height - bottom + 18, _number(mark), "middle", quiet=True))
    body.append(_text((left + WIDTH - right) / 2, height - 8, x_axis.label, "middle", quiet=True))
    body.append(_text(0, top - 14, y_axis.label, quiet=True))
    for one in series:
        places = [place(x, y) for x, y, _ in one.points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        # The class of the line comes last in the style, so its `fill` wins.
        body.append(f'<polyline class="s{one.index} line" points="{path}"/>')
        for (x, y), (_, _, note) in zip(places, one.points):
            body.append(f'<circle class="s{one.index}" cx="{x:.1f}" cy="{y:.1f}" r="4"/>')
            if note:
                body.append(_text(x + 7, y - 6, note, quiet=True))
    for row, one in enumerate(series):
        y = top + 8 + row * 22
        body.append(f'<circle class="s{one.index}" cx="{WIDTH - right + 14}" cy="{y - 4}" r="5"/>')
        body.append(_text(WIDTH - right + 24, y, one.label))
    return _svg(height, title, body)
