"""`make watch`: at every save it grades what the saved file touches, in a box that stays open, and draws it anew.

Only what is exact is graded: all but training for scheduler.py, and for infer.py what part 6 asks of it with a network
in closed form. Cases are the public ones, limits those of every grade. What is shown of part 6 was found beside the
scheduler.py of now: a save of that takes it away.
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import watchfiles
from rich.segment import Segment
from rich.text import Text

from . import checks
from .box import BoxError
from .grading import Found, conclude, run, strong_enough
from .intake.submission import Refused, Submission, read
from .language import N_, _
from .reports import terminal
from .text import readable

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult

    from .box import Box
    from .expectations import Expectations
    from .rubric import Rubric

    State = tuple[int, ...] | None  # of a file, other after each save; None where there is none

QUIET, TOGETHER = 10, 100  # milliseconds: an editor is done when it leaves the folder alone so long; at most
LOOK_EVERY = 1000  # milliseconds; some file systems do not report what is saved
DRAW_EVERY = 0.2  # seconds, while results come in


class SavedAgain(Exception):
    """A file was saved while it was graded: nobody waits for that grade any more."""


def watch(folder: Path, box: Box, rubric: Rubric, public: Expectations, console: Console) -> None:
    """Grade and show until KeyboardInterrupt: on one screen in a terminal, whose last state stays; else block by
    block."""
    in_place = console.is_terminal and not console.is_dumb_terminal
    with contextlib.ExitStack() as stack:
        if in_place:
            stack.callback(lambda: console.print(watched.shown))
            screen = stack.enter_context(console.screen())

            def show(block: RenderableType) -> None:
                screen.update(Fitted(block))
        else:
            show = console.print
        watched = Watched(folder, box, rubric, public, show, in_pieces=in_place)
        watched.look()
        reports = {"debounce": TOGETHER, "step": QUIET, "rust_timeout": LOOK_EVERY, "yield_on_timeout": True}
        for _rest in watchfiles.watch(folder, watch_filter=None, recursive=False, **reports):
            watched.look()


class Fitted(NamedTuple):
    """A block on one screen, whose last line says how much does not fit."""

    block: RenderableType

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        lines = console.render_lines(self.block, options.update(height=None), pad=False)
        room = options.height or console.height
        left = len(lines) - room + 1 if len(lines) > room else 0
        for line in lines[: len(lines) - left]:
            yield from line
            yield Segment.line()
        if left:
            yield Text(_("{n} more lines: in a taller window, or here after Ctrl-C", n=left), "dim", no_wrap=True)


class Watched:
    """A folder, and what was found of it so far.

    show       draws what it is given
    in_pieces  whether it is also to draw while results come in
    shown      what it drew last
    """

    def __init__(
        self,
        folder: Path,
        box: Box,
        rubric: Rubric,
        public: Expectations,
        show: Callable[[RenderableType], object],
        in_pieces: bool = False,
    ) -> None:
        self.folder, self.box, self.rubric, self.public = folder, box, rubric, public
        self.show, self.in_pieces = show, in_pieces
        self.notes = strong_enough(folder, box, rubric, hidden=None)
        self.entries = [entry for entry in rubric.checks.values() if entry.id not in checks.MEASURED]
        self.graded: dict[str, State] = dict.fromkeys(checks.DECIDED, ())  # what each file was when it was graded
        self.found = Found()
        self.shown: RenderableType = ""
        self.drawn = 0.0

    def look(self) -> None:
        """Grade what was saved since the last look."""
        now = {name: state(self.folder / name) for name in checks.DECIDED}
        saved = [name for name in checks.DECIDED if now[name] != self.graded[name]]
        try:
            for name in saved:
                if not now["scheduler.py"]:
                    raise Refused(_("there is no scheduler.py in it"))
                self.grade(name, read(self.folder), now)
                self.graded[name] = now[name]
        except SavedAgain:  # the next look finds it
            pass
        except (Refused, BoxError, OSError) as why:
            self.graded, self.found = now, Found()
            told = {"folder": readable(str(self.folder)), "why": readable(str(why), limit=None)}
            self.draw(_("{folder} cannot be graded: {why}.", **told))

    def grade(self, name: str, submission: Submission, now: dict[str, State]) -> None:
        """Grade what this file touches and show it. Raises SavedAgain as soon as the files are others than `now`."""
        started, decided = time.monotonic(), set(checks.DECIDED[name])
        entries = [entry for entry in self.entries if {entry.id, entry.part} & decided]
        known = Found() if name == "scheduler.py" else self.found
        kept = {id: result for id, result in known.results.items() if not {id, result.part} & decided}
        found = Found(kept, suspects={id: each for id, each in known.suspects.items() if id in kept})

        def going_on(title: str) -> None:
            if any(state(self.folder / each) != now[each] for each in checks.DECIDED):
                raise SavedAgain
            if self.in_pieces and time.monotonic() - self.drawn > DRAW_EVERY:
                pieces = replace(found, results=self.found.results | found.results, suspects={})
                self.draw_grade(submission, pieces, _("Grading {name} ...", name=name))

        for stage in checks.STAGES:
            run(found, self.box, self.rubric, submission, {"public": self.public}, stage, entries, going_on)
        self.found, took = found, time.monotonic() - started
        says = N_("{name} was graded at {clock}, in {seconds:.2f} s. Ctrl-C ends the watch.")
        when = _(says, name=name, clock=time.strftime("%H:%M:%S"), seconds=took)
        self.draw_grade(submission, found, when)

    def draw_grade(self, submission: Submission, found: Found, when: str) -> None:
        record = conclude(found, self.rubric, submission.name, submission.notes + self.notes, hidden_seed=None)
        self.draw(terminal.render(record, self.rubric, when))

    def draw(self, block: RenderableType) -> None:
        self.shown, self.drawn = block, time.monotonic()
        self.show(block)


def state(path: Path) -> State:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
