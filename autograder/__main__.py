"""The command line: parses, calls, prints. `python -m autograder --help` explains it."""

import argparse
import json
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from . import KIT, __version__, checks, look, reads, reports
from .box import Box, BoxError
from .box.host import doctor, strongest
from .debug import script
from .diagnosis import catalogue
from .expectations import Expectations, ExpectationsError
from .files import write
from .grading import TooWeak, grade, strong_enough
from .intake.handin import Incomplete, submit, unwritten
from .intake.submission import ACCEPTED, PART, Refused, read
from .language import N_, _, commas, languages, speak
from .paths import HIDDEN, PUBLIC, SECRETS
from .record import UNGRADED, GradeRecord
from .reports import mistakes, terminal
from .rubric import Rubric, RubricError
from .text import readable

GRADED, USAGE, NOT_GRADED = 0, 2, 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Returns the exit status; as argparse does, raises SystemExit for a wrong command line."""
    speak(asked_language(arguments))
    try:
        asked = Rubric.load(smoke=True)
    except RubricError as error:
        print(error, file=sys.stderr)
        return USAGE
    parts, ids = (
        [name for name in of if name in those]
        for of, those in ((checks.PARTS, asked.parts), (checks.CHECKS, asked.checks))
    )
    platforms = ", ".join(reports.PLATFORMS)
    parser = argparse.ArgumentParser("python -m autograder", description=_("The autograder of the DDPM homework kit."))
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    command = commands.add_parser("grade", help=_("grade one submission: a folder, zip or tar with scheduler.py"))
    grades(command)
    device(command)
    command.add_argument("--only", action="append", choices=parts, default=[], metavar="PART",
                         help=_("run this part only; may be repeated ({parts})", parts=", ".join(parts)))  # fmt: skip
    command.add_argument("--platform", action="append", choices=reports.PLATFORMS, default=[], metavar="NAME",
                         help=_("write what this platform reads, too ({names})", names=platforms))  # fmt: skip
    command.add_argument("--no-pictures", dest="views", action="store_const", const=(),
                         help=_("leave out of report.html what the code draws; that takes seconds"))  # fmt: skip
    command = commands.add_parser(
        "smoke", help=_("the real network learns digits and draws some, on a GPU if there is one")
    )
    grades(command)
    device(command)
    command.set_defaults(only=[checks.SMOKE], views=())
    command = commands.add_parser("check", help=_("the same for scheduler.py but training, in seconds"))
    grades(command)
    command.set_defaults(only=checks.DECIDED["scheduler.py"], device="cpu", views=look.QUICK)
    command = commands.add_parser("watch", help=_("the same at every save, and infer.py, until Ctrl-C"))
    submission(command)
    command.set_defaults(run=run_watch)
    command = commands.add_parser("look", help=_("one picture of what your code does so far: look.png"))
    grades(command)
    command.add_argument("--gif", action="store_true", help=_("digits on their way, too: look.gif"))
    command.set_defaults(only=(*checks.EXACT, "infer"), device="cpu", views=look.VIEWS, finish=show)
    command = commands.add_parser("debug", help=_("print a script with the first failing public call of a check"))
    command.add_argument("check", choices=ids, metavar="CHECK", help=", ".join(ids))
    command.add_argument("--submission", type=Path, default=Path("assignment"))
    language(command)
    command.add_argument("--out", type=Path, metavar="FILE", help=_("write it there; PowerShell's > would spoil it"))
    command.set_defaults(run=run_debug)
    command = commands.add_parser("submit", help=_("pack what is collected into one zip, to be uploaded"))
    command.add_argument("submission", type=Path, nargs="?", default=Path("assignment"))
    language(command)
    command.add_argument("--out", type=Path, default=Path("submission.zip"), metavar="ZIP")
    collected = [name for name in ACCEPTED if name not in PART or asked.on(PART[name])]
    command.add_argument("--without", action="append", choices=collected[1:], default=[], metavar="NAME",
                         help=_("go without this file ({names})", names=", ".join(collected[1:])))  # fmt: skip
    command.set_defaults(run=run_submit, collected=collected)
    command = commands.add_parser(
        "doctor", help=_("say how well this host can confine student code, and what would help")
    )
    command.set_defaults(run=run_doctor)
    command = commands.add_parser("reads", help=_("read back what formulas a submission computes, from public cases"))
    submission(command)
    command.add_argument("--json", action="store_true", help=_("as data: {check: {term: formula}}"))
    command.set_defaults(run=run_reads)
    command = commands.add_parser("mistakes", help=_("list the known mistakes, for staff"))
    command.set_defaults(run=run_mistakes)
    options = parser.parse_args(arguments)
    return options.run(options)


def asked_language(arguments: Sequence[str] | None) -> str | None:
    """The language that a command line asks for; None where it asks for none that there is."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--language", nargs="?")
    asked, _others = parser.parse_known_args(arguments)
    return asked.language if asked.language in languages() else None


def grades(command: argparse.ArgumentParser) -> None:
    """Add the arguments of every command that grades."""
    submission(command)
    command.add_argument("--out", type=Path, default=Path("results"), metavar="DIR", help=_("default: results"))
    command.add_argument("--public", action="store_true", help=_("public cases only"))
    command.set_defaults(run=run_grade, finish=report, platform=[])


def submission(command: argparse.ArgumentParser) -> None:
    """Add the arguments of a command that is about one submission."""
    default = Path("assignment")
    command.add_argument("submission", type=Path, nargs="?", default=default, help=_("default: assignment"))
    language(command)


def language(command: argparse.ArgumentParser) -> None:
    """Add the option that `main` looks for before it says anything."""
    command.add_argument("--language", choices=languages(), help=_("of what is said; default: that of the course"))


def device(command: argparse.ArgumentParser) -> None:
    command.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto",
                         help=_("for training; auto is the GPU where there is one that works in the box"))  # fmt: skip


def run_grade(options: argparse.Namespace) -> int:
    console, errors = Console(), Console(stderr=True)
    if not options.submission.exists():
        shown = readable(str(options.submission))
        errors.print(
            _("There is no {path}. Give a folder, zip or tar with scheduler.py in it.", path=shown),
            style="red",
            markup=False,
        )
        return USAGE
    rubric = Rubric.load(smoke=checks.SMOKE in options.only)
    try:
        public = Expectations.load(PUBLIC)
        hidden = Expectations.load(HIDDEN) if HIDDEN.exists() and not options.public else None
    except ExpectationsError as error:
        errors.print(str(error), style="red", soft_wrap=True)
        return NOT_GRADED
    try:
        with errors.status(_("Starting the box")) as status, strongest(rubric.limits, SECRETS) as box:
            if options.device == "cuda" and not box.find_gpu():
                why = box.gpu_fault or _("this machine has none")
                told = _("No GPU can be used: {why}. --device cpu or auto trains on the CPU.", why=why)
                errors.print(told, style="red")
                return USAGE
            gpu = options.device != "cpu"
            record = grade(options.submission, box, rubric, public, hidden, options.only, status.update, gpu)
            status.stop()
            views = look.of_parts(options.only) if options.views is None else options.views
            views = look.offered(views, rubric)
            sights = drawn(options.submission, box, rubric, record, views, errors)
    except (BoxError, TooWeak) as error:
        errors.print(str(error), style="red", soft_wrap=True)
        return NOT_GRADED
    try:
        options.finish(options, record, rubric, sights, console)
    except OSError as error:
        told = _("The results cannot be written to {folder}/: {error}", folder=options.out, error=error)
        errors.print(told, style="red", soft_wrap=True)
        return NOT_GRADED
    return NOT_GRADED if any(check.verdict == UNGRADED for check in record.checks) else GRADED


def drawn(
    path: Path, box: Box, rubric: Rubric, record: GradeRecord, views: Sequence[look.View], errors: Console
) -> list[look.Sight]:
    """What came of the views, with a bar for the seconds that it takes."""
    try:
        submission = read(path)
    except (OSError, Refused):  # the grade says so
        return []
    columns = TextColumn(_("Drawing what the code does")), BarColumn(), TimeRemainingColumn()
    with Progress(*columns, console=errors, transient=True) as progress:
        bar = progress.add_task("", total=sum(view.work for view in views) or None)
        return look.look(submission, box, rubric, record, views, partial(progress.advance, bar))


def report(
    options: argparse.Namespace,
    record: GradeRecord,
    rubric: Rubric,
    sights: Sequence[look.Sight],
    console: Console,
) -> None:
    """Write the reports and print the table."""
    out = options.out
    record.shown = look.for_report(sights)
    reports.write_all(out, record, rubric, platforms=options.platform)
    console.print(terminal.render(record, rubric))
    written = commas(each.name for each in (*reports.FORMATS, *(reports.PLATFORMS[name] for name in options.platform)))
    told = _("Written to {folder}/: {names}", folder=readable(str(out)), names=written)
    console.print(told, style="dim", soft_wrap=True, markup=False)


def show(
    options: argparse.Namespace,
    record: GradeRecord,
    rubric: Rubric,
    sights: Sequence[look.Sight],
    console: Console,
) -> None:
    """Write look.png, and look.gif where it is asked for, and print what is in it."""
    file, lines = options.out / "look.png", [look.as_text(sights) or "\n".join(record.notes)]
    if any(sight.drawing for sight in sights):
        write(file, look.picture(sights))
        lines.insert(0, _("{file} shows what your code does so far:", file=readable(str(file))))
    else:
        file.unlink(missing_ok=True)  # of another day
    if options.gif:
        moving, file = look.film(sights), options.out / "look.gif"
        if moving:
            write(file, moving)
            lines.append(_("{file} shows them on their way.", file=readable(str(file))))
        else:
            file.unlink(missing_ok=True)
            lines.append(_("No digits to be filmed yet: they come with 3.7 of the handout."))
    console.print("\n".join(lines), markup=False, highlight=False, soft_wrap=True)


def run_watch(options: argparse.Namespace) -> int:
    errors = Console(stderr=True)
    if not options.submission.is_dir():
        shown = readable(str(options.submission))
        told = _("There is no folder {path}. Give one with scheduler.py in it.", path=shown)
        errors.print(told, style="red", markup=False)
        return USAGE
    try:
        from .watch import watch  # the one command that needs watchfiles
    except ModuleNotFoundError as missing:
        told = _("This needs the package {name}: python -m pip install {name}", name=missing.name)
        errors.print(told, style="red")
        return USAGE
    rubric = Rubric.load()
    try:
        public = Expectations.load(PUBLIC)
        with errors.status(_("Starting the box")):
            box = strongest(rubric.limits, SECRETS)
        with box:
            watch(options.submission, box, rubric, public, Console())
    except KeyboardInterrupt:
        return GRADED
    except (BoxError, ExpectationsError) as error:
        errors.print(str(error), style="red", soft_wrap=True)
    except OSError as error:
        says = N_("{folder} cannot be watched: {error}. With WATCHFILES_FORCE_POLLING=1 it may work.")
        told = _(says, folder=options.submission, error=error)
        errors.print(told, style="red", soft_wrap=True, markup=False)
    return NOT_GRADED


def run_debug(options: argparse.Namespace) -> int:
    if not options.submission.exists():
        print(_("There is no {path}.", path=readable(str(options.submission))), file=sys.stderr)
        return USAGE
    rubric = Rubric.load()
    try:
        submission = read(options.submission)
        public = Expectations.load(PUBLIC)
    except (OSError, Refused, ExpectationsError) as error:
        told = _("{path}: {error}", path=options.submission, error=error)
        print(readable(told, limit=None), file=sys.stderr)
        return USAGE
    with Box(rubric.limits) as box:
        text = script(options.check, box, submission.files, options.submission.resolve(), rubric, public)
    if options.out:
        write(options.out, text)
    else:
        print(text, end="")
    return GRADED


def run_submit(options: argparse.Namespace) -> int:
    try:
        packed, digest = submit(options.submission, options.out, options.without, options.collected)
    except (Incomplete, OSError) as error:
        print(readable(_("Nothing was packed. {error}.", error=error), limit=None), file=sys.stderr)
        return USAGE
    print(
        _("{file}, packed with {kit}:", file=options.out, kit=KIT),
        *(_("  {name:<14}{size:>9,} bytes", name=name, size=size) for name, size in packed.items()),
        sep="\n",
    )
    if "report.ipynb" in packed and (warning := unwritten((options.submission / "report.ipynb").read_bytes())):
        Console(stderr=True).print(_("WARNING: {what}", what=warning), style="bold red", soft_wrap=True)
    says = N_("SHA-256 {digest}\nUpload this file as it is, and keep a copy: the digest shows that it is the one.")
    print(_(says, digest=digest))
    return GRADED


def run_doctor(options: argparse.Namespace) -> int:
    rubric = Rubric.load()
    with strongest(rubric.limits, SECRETS) as box:
        print(*doctor(box, rubric.box["minimum_tier"]), sep="\n")
    return GRADED


def run_reads(options: argparse.Namespace) -> int:
    rubric = Rubric.load()
    try:
        submission = read(options.submission)
        public = Expectations.load(PUBLIC)
    except (OSError, Refused, ExpectationsError) as error:
        print(_("{path}: {error}", path=options.submission, error=error), file=sys.stderr)
        return USAGE
    try:
        with strongest(rubric.limits, SECRETS) as box:
            for note in strong_enough(options.submission, box, rubric, hidden=None):
                print(note, file=sys.stderr)
            found = reads.read(box, submission, rubric, public)
    except (BoxError, OSError, TooWeak) as error:
        print(error, file=sys.stderr)
        return NOT_GRADED
    text = json.dumps(reads.as_data(found), indent=2) if options.json else reads.as_text(found)
    Console().print(text, markup=False, highlight=False, soft_wrap=True)
    return GRADED


def run_mistakes(options: argparse.Namespace) -> int:
    Console().print(mistakes.render(catalogue().values(), Expectations.load(PUBLIC).mistakes["loses"]))
    return GRADED


if __name__ == "__main__":
    sys.exit(main())
