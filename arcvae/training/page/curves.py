"""Curves as SVG that lies in a page: its colours are those of the page, in the light and in the dark."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

from arcvae.training.page.parts import text

Points = Sequence[tuple[float, float]]

COLORS: Final = 8
"""Colours of curves in ``page.css``, ``--c0`` on; with more curves they recur."""
_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 340, 210, 52, 10, 26, 30


def curves(title: str, series: Mapping[str, Sequence[Points]], trivial: float | None = None) -> str:
    """One panel: a figure over epochs.

    Args:
        title: Heading of the panel.
        series: Curves by name, those of one name in one colour; points that are not finite are left out.
        trivial: What the trivial predictor scores, drawn as a dashed line; None: unknown.

    Returns:
        An ``svg`` element, or nothing if there is no point to draw.
    """
    lines = {
        name: [kept for line in every if (kept := [(x, y) for x, y in line if math.isfinite(y)])]
        for name, every in series.items()
    }
    points = [point for every in lines.values() for line in every for point in line]
    if not points:
        return ""
    level = None if trivial is None or not math.isfinite(trivial) else float(trivial)
    ticks = _ticks([y for _, y in points] + ([] if level is None else [level]))
    xs = [x for x, _ in points]
    left, right = min(xs), max(max(xs), min(xs) + 1)
    low, high = ticks[0], ticks[-1]

    def at(x: float, y: float) -> str:
        across = _LEFT + (x - left) / (right - left) * (_WIDTH - _LEFT - _RIGHT)
        return f"{across:.1f},{_line(y, low, high):.1f}"

    said = "; ".join(f"{name}: last {line[-1][1]:.4g}" for name, every in lines.items() for line in every[:1])
    parts = [
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{text(f"{title}. {said}")}">',
        f'<text x="{_LEFT}" y="16" font-weight="700">{text(title)}</text>',
    ]
    for tick in ticks:
        y = _line(tick, low, high)
        parts.append(f'<line class="rule" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{_LEFT - 5}" y="{y + 4:.1f}" text-anchor="end">{text(f"{tick:.4g}")}</text>')
    base = _HEIGHT - _BOTTOM
    parts.append(f'<path class="axis" d="M{_LEFT},{_TOP}V{base}H{_WIDTH - _RIGHT}"/>')
    for x, anchor in ((left, "start"), (right, "end"))[: len(set(xs))]:
        place = at(x, low).partition(",")[0]
        parts.append(f'<text x="{place}" y="{base + 15}" text-anchor="{anchor}">{text(f"{x:g}")}</text>')
    parts.append(f'<text x="{(_LEFT + _WIDTH - _RIGHT) / 2}" y="{base + 24}" text-anchor="middle">epoch</text>')
    if level is not None:
        y = _line(level, low, high)
        parts.append(f'<line class="trivial" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
    for index, every in enumerate(lines.values()):
        for line in every:
            way = "L".join(at(x, y) for x, y in line)
            parts.append(f'<path style="stroke:var(--c{index % COLORS})" d="M{way}"/>')
            last = at(*line[-1]).split(",")
            parts.append(f'<circle cx="{last[0]}" cy="{last[1]}" r="2.6" style="fill:var(--c{index % COLORS})"/>')
    return "".join([*parts, "</svg>"])


def legend(names: Sequence[str], trivial: str | None = None) -> str:
    """Names of the curves of panels, in their colours; ``trivial``: that of the dashed line."""
    entries = [
        f'<span><i style="border-color:var(--c{index % COLORS})"></i>{text(name)}</span>'
        for index, name in enumerate(names)
    ]
    if trivial is not None:
        entries.append(f'<span><i class="dashed" style="border-color:var(--quiet)"></i>{text(trivial)}</span>')
    return f'<p class="legend">{"".join(entries)}</p>'


def _line(y: float, low: float, high: float) -> float:
    """Where a value lies, from the top."""
    return _TOP + (high - y) / (high - low) * (_HEIGHT - _TOP - _BOTTOM)


def _ticks(values: Sequence[float]) -> list[float]:
    """Round numbers that take in all values, three to seven of them.

    Example:
        >>> _ticks([0.02, 0.93])
        [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    """
    low, high = min(values), max(values)
    if high - low < 1e-12 * max(1.0, abs(high)):
        low, high = (min(low, 0.0), max(high, 0.0)) if high else (0.0, 1.0)
    rough = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
    if (high - low) / step > 6:
        step *= 2
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(index * step, 12) for index in range(first, last + 1)]
