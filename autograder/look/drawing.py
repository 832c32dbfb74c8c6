"""What views have to show, as pictures: one alone for a page, or all of them below each other. Knows arrays only.

Colours are Okabe and Ito's, which colour-blind readers tell apart, and curves differ in dashes, too.
"""

from __future__ import annotations

import io
import textwrap
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Protocol

import numpy as np

from ..language import ENGLISH, Text, english, spoken
from ..text import is_wide, wrapped

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, FigureBase

WIDTH, DPI = 6.5, 150  # inches, dots per inch
MARGIN = 0.1  # inches
SIZE = 9  # of letters, in points
LINE, LETTERS = 0.17, 94  # of text below each other: inches for each line, letters that fit into it
# That have Chinese letters, by the names that matplotlib knows them by: on Linux, Windows and macOS.
FONTS = (
    "Noto Sans CJK SC", "Noto Sans CJK JP", "Source Han Sans SC", "Noto Sans SC", "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei", "Microsoft YaHei", "SimHei", "PingFang SC", "Hiragino Sans GB", "Arial Unicode MS",
)  # fmt: skip
STYLES = (("#0072B2", "-"), ("#D55E00", (0, (5, 2))), ("#009E73", (0, (1, 1.2))))


class Drawing(Protocol):
    """Something to draw, so many inches high."""

    @property
    def height(self) -> float: ...

    def draw(self, canvas: FigureBase) -> None: ...


@dataclass
class Curves:
    """Tables over t, a panel for each kind.

    panels  {title: {name: (T,)}}
    limits  {title: lowest and highest value shown}
    """

    panels: Mapping[str, Mapping[str, np.ndarray]]
    limits: Mapping[str, tuple[float, float]]
    height = 2.1

    def draw(self, canvas: FigureBase) -> None:
        for index, (title, tables) in enumerate(self.panels.items()):
            share = 1 / len(self.panels)
            axes = canvas.add_axes((share * index + 0.08, 0.2, share - 0.1, 0.66))
            for (name, table), (color, dashes) in zip(tables.items(), STYLES, strict=False):
                low, high = self.limits[title]
                # What lies outside is not shown: of numbers too large for matplotlib, only the direction counts.
                axes.plot(table.clip(low - 1, high + 1), color=color, linestyle=dashes, linewidth=1.6, label=name)
            axes.set(ylim=self.limits[title], xlabel="t")
            axes.set_title(legible(title), fontsize=SIZE)
            axes.tick_params(labelsize=SIZE - 1)
            axes.spines[["top", "right"]].set_visible(False)
            axes.grid(alpha=0.25, linewidth=0.5)
            axes.legend(frameon=False, fontsize=SIZE - 1, handlelength=3)


@dataclass
class Grid:
    """Rows and columns of small pictures, with words beside and above them.

    rows           (rows, columns, 1, 28, 28) in [-1, 1]
    labels, above  a word for each row, and for each column; or none
    film           the same rows on their way, from noise to what they are, where there is such a way
    """

    rows: np.ndarray
    labels: Sequence[str] = ()
    above: Sequence[str] = ()
    film: Sequence[np.ndarray] = field(default=(), kw_only=True)

    @property
    def room(self) -> tuple[float, float]:
        """Inches for words: at the left, and above."""
        return MARGIN + 0.65 * bool(self.labels), MARGIN + 0.2 * bool(self.above)

    @property
    def side(self) -> float:
        """Inches of one small picture."""
        return (WIDTH - self.room[0] - MARGIN) / self.rows.shape[1]

    @property
    def height(self) -> float:
        return self.room[1] + self.side * len(self.rows) + MARGIN

    def axes(self, canvas: FigureBase, row: int, column: int, rows: int = 1, columns: int = 1) -> Axes:
        """Axes over so many rows and columns, the first of which are these."""
        left, below = self.room[0] + column * self.side, self.height - self.room[1] - (row + rows) * self.side
        return canvas.add_axes(
            (left / WIDTH, below / self.height, columns * self.side / WIDTH, rows * self.side / self.height)
        )

    def label(self, canvas: FigureBase) -> None:
        left, top = self.room
        for index, label in enumerate(self.above):
            x, y = left + (index + 0.5) * self.side, self.height - top + 0.04
            canvas.text(x / WIDTH, y / self.height, legible(label), ha="center", va="bottom", fontsize=SIZE - 1)
        for index, label in enumerate(self.labels):
            y = self.height - top - (index + 0.5) * self.side
            canvas.text((left - 0.08) / WIDTH, y / self.height, legible(label), ha="right", va="center", fontsize=SIZE)

    def draw(self, canvas: FigureBase) -> None:
        self.label(canvas)
        axes = self.axes(canvas, 0, 0, *self.rows.shape[:2])
        axes.imshow(whole(self.rows), cmap="gray", vmin=-1, vmax=1, interpolation="nearest", aspect="auto")
        axes.set_axis_off()


@dataclass
class Clouds(Grid):
    """The same with points in the plane: rows are (rows, columns, points, 2).

    places  (points,), where on the data each began; its colour
    """

    places: np.ndarray | None = None
    reach = 1.6  # in each direction

    def draw(self, canvas: FigureBase) -> None:
        self.label(canvas)
        for index, row in enumerate(self.rows):
            for column, points in enumerate(row):
                axes = self.axes(canvas, index, column)
                axes.scatter(*points.clip(-9, 9).T, c=self.places, s=1.5, linewidths=0, cmap="viridis")
                axes.set(xlim=(-self.reach, self.reach), ylim=(-self.reach, self.reach), xticks=[], yticks=[])
                for spine in axes.spines.values():
                    spine.set(color="0.8", linewidth=0.5)


def whole(rows: np.ndarray) -> np.ndarray:
    """Rows of images (rows, columns, 1, 28, 28) as one picture (height, width), NaN between them: that is no ink."""
    framed = np.pad(rows[:, :, 0], ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=np.nan)
    return np.concatenate([np.concatenate(list(row), axis=1) for row in framed])


def moving(film: Iterable[np.ndarray]) -> bytes:
    """Such rows one after another as a GIF, three pixels wide each; the last stay for two seconds."""
    from PIL import Image

    pictures = [np.nan_to_num(whole(rows), nan=-1).clip(-1, 1) for rows in film]
    first, *rest = (Image.fromarray(np.uint8(127.5 * (each + 1)).repeat(3, 0).repeat(3, 1)) for each in pictures)
    content, pauses = io.BytesIO(), [80] * len(rest) + [2000]  # milliseconds
    first.save(content, "GIF", save_all=True, append_images=rest, duration=pauses, loop=0)
    return content.getvalue()


def alone(drawing: Drawing) -> bytes:
    """One drawing as a PNG, without words around it."""
    with lettering():
        figure = blank(drawing.height)
        drawing.draw(figure)
        return png(figure)


def stacked(parts: Iterable[tuple[str, str, Drawing]]) -> bytes:
    """A PNG of drawings below each other, each under its title and its text.

    parts  (title, text, drawing) of each
    """
    pieces = [(legible(title), lines_of(legible(text)), drawing) for title, text, drawing in parts]
    heads = [0.45 + LINE * len(lines) for _, lines, _ in pieces]
    heights = [height for head, (_, _, drawing) in zip(heads, pieces, strict=True) for height in (head, drawing.height)]
    with lettering():
        figure = blank(sum(heights))
        canvases = iter(figure.subfigures(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0])
        for (title, lines, drawing), head in zip(pieces, heads, strict=True):
            words = next(canvases)
            for line, (text, weight) in enumerate([(title, "bold"), *((line, "normal") for line in lines)]):
                y = 1 - (0.28 + line * LINE + 0.05 * (line > 0)) / head
                words.text(MARGIN / WIDTH, y, text, fontsize=SIZE + (not line), weight=weight, parse_math=False)
            drawing.draw(next(canvases))
        return png(figure)


def lines_of(text: str) -> list[str]:
    return wrapped(text, LETTERS) if is_wide(text) else textwrap.wrap(text, LETTERS)


def legible(text: str) -> str:
    """A text for a picture: in English where this machine has no font for what it is translated into."""
    return english(text) if isinstance(text, Text) and not font() else text


@cache
def font() -> str | None:
    """The name of what has the letters that matplotlib's own font lacks."""
    from matplotlib.font_manager import fontManager

    there = {each.name for each in fontManager.ttflist}
    return next((name for name in FONTS if name in there), None)


@contextmanager
def lettering() -> Generator[None]:
    """While it lasts, letters that the usual font lacks come from another."""
    from matplotlib import rc_context

    more = font() if spoken() != ENGLISH else None
    with rc_context({"font.family": ["sans-serif", more]} if more else {}):
        yield


def blank(height: float) -> Figure:
    from matplotlib.figure import Figure  # it takes half a second, which commands that draw nothing must not wait for

    return Figure(figsize=(WIDTH, height), dpi=DPI, facecolor="white")


def png(figure: Figure) -> bytes:
    """The bytes of a PNG, without the program's name, so that equal figures are equal files."""
    content = io.BytesIO()
    figure.savefig(content, format="png", metadata={"Software": None})
    return content.getvalue()
