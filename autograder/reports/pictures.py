"""Small pictures of a wrong answer as inline SVG: a table as a curve, an image beside the expected one, and where on
the axis of timesteps the answers are wrong. Shapes and words carry the meaning; colour only repeats it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from ..language import N_, _

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..record import Evidence

WIDTH, HEIGHT = 420, 150
TIMESTEP = re.compile(r"t = (\d+)")


def picture(evidence: Evidence) -> str:
    """The pictures that explain one Evidence, as HTML; empty where numbers say it better."""
    parts = []
    if evidence.got.ndim == 1 and evidence.got.size > 2:
        parts.append(curves(evidence.expected, evidence.got, evidence.name))
    elif evidence.got.ndim == 4:
        parts.append(images(evidence.expected, evidence.got))
    timesteps = [(int(found[1]), right) for where, right in evidence.cases if (found := TIMESTEP.search(where))]
    if len(timesteps) > 2 and len({right for _, right in timesteps}) == 2:
        parts.append(axis(timesteps))
    return "".join(parts)


def curves(expected: np.ndarray, got: np.ndarray, name: str) -> str:
    """Both tables (T,) over their index; yours dashed."""
    finite = np.concatenate([expected, got[np.isfinite(got)]])
    low, high = finite.min(), finite.max()
    span = (high - low) or 1

    def points(values: np.ndarray) -> str:
        index = np.unique(np.linspace(0, values.size - 1, min(values.size, 200)).astype(int))
        x = 8 + (WIDTH - 16) * index / max(values.size - 1, 1)
        y = HEIGHT - 8 - (HEIGHT - 16) * (np.nan_to_num(values[index], nan=low, posinf=high, neginf=low) - low) / span
        return " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))

    label, wanted, mine = _("{name}: expected and yours", name=name), _("expected"), _("yours, dashed")
    says = N_("{name} from {low:.3g} to {high:.3g} over index 0 to {last}:")
    told = _(says, name=name, low=low, high=high, last=expected.size - 1)
    return (
        f'<figure><svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}">'
        f'<polyline class="expected" points="{points(expected)}"/>'
        f'<polyline class="yours" points="{points(got)}"/></svg>'
        f'<figcaption>{told} <span class="expected">{wanted}</span>, <span class="yours">{mine}</span></figcaption>'
        "</figure>"
    )


def images(expected: np.ndarray, got: np.ndarray) -> str:
    """Of images (B, C, H, W) the one that is farthest off, its first channel: expected, yours, and the difference."""
    off = np.nan_to_num(np.abs(got - expected), nan=np.inf)
    worst = int(off.reshape(len(off), -1).max(axis=1).argmax())
    first, second = expected[worst, 0], np.nan_to_num(got[worst, 0], nan=0, posinf=0, neginf=0)
    reach = np.abs(first).max() or 1
    error = second - first
    most = np.abs(error).max() or 1
    panels = ((_("expected"), first, reach), (_("yours"), second, reach), (_("difference"), error, most))
    drawn = "".join(
        f'<figure><svg viewBox="0 0 {shown.shape[1]} {shown.shape[0]}" role="img" aria-label="{label}">'
        f"{cells(shown / size)}</svg><figcaption>{label}, ±{size:.3g}</figcaption></figure>"
        for label, shown, size in panels
    )
    what = _("The worst image of this check, in colours")
    return f'<details><summary class="dim">{what}</summary><div class="panels">{drawn}</div></details>'


def cells(values: np.ndarray) -> str:
    """(H, W) as one square per pixel, from blue (-1) over white to orange (1)."""
    squares = []
    for (row, column), value in np.ndenumerate(np.clip(values, -1, 1)):
        far = round(255 * (1 - abs(value)))
        colour = f"rgb(255,{max(far, 120)},{far})" if value > 0 else f"rgb({far},{max(far, 110)},255)"
        squares.append(f'<rect x="{column}" y="{row}" width="1" height="1" fill="{colour}"/>')
    return "".join(squares)


def axis(timesteps: Sequence[tuple[int, bool]]) -> str:
    """Which timesteps are right (circles) and which are wrong (crosses).

    timesteps  (t, right) of each
    """
    last = max(t for t, _ in timesteps)
    marks = []
    for t, right in timesteps:
        x = 12 + (WIDTH - 24) * t / max(last, 1)
        mark = f'<circle class="right" cx="{x:.1f}" cy="14" r="5"/>'
        if not right:
            mark = f'<path class="wrong" d="M{x - 5:.1f} 9 l10 10 m0 -10 l-10 10"/>'
        marks.append(mark)
    wrong = ", ".join(str(t) for t in sorted({t for t, right in timesteps if not right}))
    label = _("wrong at t = {t}", t=wrong)
    told = _("t from 0 to {last}: circles are right, crosses are wrong (t = {wrong})", last=last, wrong=wrong)
    return (
        f'<figure><svg viewBox="0 0 {WIDTH} 28" role="img" aria-label="{label}">'
        f'<line x1="12" x2="{WIDTH - 12}" y1="14" y2="14"/>{"".join(marks)}</svg>'
        f"<figcaption>{told}</figcaption></figure>"
    )
