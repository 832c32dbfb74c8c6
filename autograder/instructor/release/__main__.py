"""make release: all of dist/, or nothing and the reason. It takes a minute or so, nearly all of it for grading what is
in the bundles."""

from __future__ import annotations

import argparse
import io
import json
import re
import shutil
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from ... import __version__
from ...expectations import Expectations, ExpectationsError
from ...files import write
from ...intake.handin import zipped
from ...paths import COURSE, HIDDEN, PUBLIC, ROOT
from ...rubric import Rubric
from ..authoring.course import EDITIONS, Course
from ..authoring.skeleton import generate
from ..fingerprint import sha256
from ..grades import lateness
from . import bundles, leaks, platforms, trials
from .bundles import GRADESCOPE, NAME, SOLUTION, STUDENTS, NotReady
from .leaks import NotProven

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

DIST = ROOT / "dist"
# How long proofs that run something take, one beside the other; those that read take nothing to speak of.
WORK = {trials.the_stripped_files_import: 2, trials.the_starter_scores_0: 9, trials.the_reference_scores_full_marks: 25}


def release(
    commit: str,
    files: Mapping[str, bytes],
    show: Callable[[list[tuple[Any, ...]]], Iterable[tuple[Any, ...]]] = list,
    others: Sequence[str] = (),
) -> dict[str, bytes]:
    """All of dist/, by name. Raises NotReady or NotProven.

    commit  what RELEASE.json says that it was made from
    files   the repository's, by path
    show    wraps the list of proofs, to show how far it is
    others  platforms beside Gradescope, whose bundles hold what Gradescope's and the students' do
    """
    public = Expectations.load(PUBLIC)
    hidden_bytes = bundles.hidden_expectations()
    hidden = Expectations.load(HIDDEN)
    course = Course(Rubric.load())
    contents = bundles.all_of_them(files, hidden_bytes, course)
    zips = {name: zipped(content, f"{NAME} {__version__}", bundles.MODES) for name, content in contents.items()}
    for name in others:
        content = platforms.bundle(name, files, contents[STUDENTS[course.lang]], contents[GRADESCOPE], course.rubric)
        zips[f"{NAME}-{name}.zip"] = zipped(content, f"{NAME} {__version__}", platforms.modes(content))
    with tempfile.TemporaryDirectory() as folder:
        proofs = all_proofs(files, course, contents, zips, public, hidden, Path(folder))
        proven = [{"bundle": name, "claim": claim(proof), "evidence": prove(name, proof, *facts)}
                  for name, proof, *facts in show(proofs)]  # fmt: skip
    record = {
        "kit_version": __version__,
        "commit": commit,
        "course": {**course.rubric.course, **course.rubric.counts},
        "hidden_seed": hidden.metadata["seed"],
        "recorded": {"public": sha256(PUBLIC.read_bytes()), "hidden": sha256(hidden_bytes)},
        "files": {name: {"bytes": len(data), "sha256": sha256(data)} for name, data in zips.items()},
        "proofs": proven,
    }
    return zips | {"RELEASE.json": json.dumps(record, indent=1).encode() + b"\n"}


def all_proofs(
    files: Mapping[str, bytes],
    course: Course,
    contents: Mapping[str, dict[str, bytes]],
    zips: Mapping[str, bytes],
    public: Expectations,
    hidden: Expectations,
    folder: Path,
) -> list[tuple[Any, ...]]:
    """Every proof as (bundle, function, its arguments): a release is made when all of them hold."""
    students = [leaks.Bundle(name, contents[name]) for name in STUDENTS.values()]
    gradescope, solution = (leaks.Bundle(name, contents[name]) for name in (GRADESCOPE, SOLUTION))
    everything = (*students, gradescope, solution)
    answers, mistakes = leaks.answers(files), leaks.mistakes(files)
    seed = course_seed()
    off = leaks.off(files, course, files[bundles.RUBRIC].decode())
    reference = bundles.reference(files, course)
    for name in (*STUDENTS.values(), GRADESCOPE):
        with zipfile.ZipFile(io.BytesIO(zips[name])) as archive:
            archive.extractall(folder / name)
    return [
        *((name, leaks.it_is_small_enough, zips[name]) for name in STUDENTS.values()),
        *((bundle.name, leaks.every_file_can_be_read, bundle) for bundle in everything),
        *((name, leaks.it_is_what_solution_gives, student, generate(course.edition(lang)), f"{NAME}/assignment/")
          for (lang, name), student in zip(STUDENTS.items(), students, strict=True)),
        (GRADESCOPE, leaks.it_is_what_solution_gives, gradescope, generate(course), "assignment/"),
        *((bundle.name, leaks.no_line_of_an_answer_is_in_it, bundle, answers) for bundle in (*students, gradescope)),
        *((bundle.name, leaks.no_patch_of_a_mistake_is_in_it, bundle, mistakes) for bundle in everything),
        *((bundle.name, leaks.the_course_seed_is_not_in_it, bundle, seed) for bundle in everything),
        *((bundle.name, leaks.no_hidden_number_is_in_it, bundle, hidden, public) for bundle in (*students, solution)),
        *((bundle.name, leaks.nothing_that_is_off_is_in_it, bundle, off) for bundle in (*students, solution) if off),
        (GRADESCOPE, leaks.the_hidden_cases_are_for_root_only, zips[GRADESCOPE]),
        *((name, proof, folder / name / NAME, *facts) for name in STUDENTS.values() for proof, *facts in (
            (trials.the_stripped_files_import,),
            (trials.the_starter_scores_0,),
            (trials.the_reference_scores_full_marks, reference),
        )),
        (GRADESCOPE, trials.the_starter_scores_0, folder / GRADESCOPE),
        (GRADESCOPE, trials.the_reference_scores_full_marks, folder / GRADESCOPE, reference, True),
    ]  # fmt: skip


def shown(proofs: list[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
    """The proofs one after another, with a bar: what is tried, and how long the rest will take."""
    said = TextColumn("{task.description}")
    columns = (SpinnerColumn(), said, BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, transient=True) as progress:
        task = progress.add_task("", total=sum(WORK.get(proof, 0.1) for _, proof, *_ in proofs))
        for name, proof, *facts in proofs:
            progress.update(task, description=f"{name.removesuffix('.zip')}: {claim(proof)}")
            yield name, proof, *facts
            progress.advance(task, WORK.get(proof, 0.1))


def prove(name: str, proof: Callable[..., str], *facts: Any) -> str:
    """The evidence of one proof. Raises NotProven, also where the proof itself broke or had nothing to say."""
    try:
        evidence = proof(*facts)
    except NotProven as reason:
        raise NotProven(f'{name}, "{claim(proof)}": {reason}') from None
    except Exception as error:
        raise NotProven(f'{name}, "{claim(proof)}" could not be tried: {type(error).__name__}: {error}') from None
    if not isinstance(evidence, str) or not evidence:
        raise NotProven(f'{name}, "{claim(proof)}": it gave no evidence')
    return evidence


def claim(proof: Callable[..., str]) -> str:
    return proof.__name__.replace("_", " ")


def course_seed() -> str:
    path = COURSE / "seed"
    if not path.exists():
        raise NotReady("course/seed is missing: without it nobody can tell whether it leaks; `make record` draws one")
    return path.read_text(encoding="utf-8").strip()


def open_fields(handout: str) -> list[str]:
    """The fields of the handout that the instructor has not filled in yet."""
    fields = re.findall(r"<!-- INSTRUCTOR.*?<!-- INSTRUCTOR", handout, re.DOTALL)
    return [field for part in fields for field in re.findall(r"\[[^]]+\](?!\()", part)]


def late_work(handout: str, late: Mapping[str, Any]) -> str:
    """What to tell an instructor whose handout does not say of late work what the rubric does; "" where it does."""
    said, meant = re.findall(r"\*\*Late work\.\*\* (.*)", handout), lateness.in_words(late)
    return "" if said == [meant] else f"Late work, in handout.md: {' '.join(said)} In rubric.toml: {meant}"


def platform(name: str) -> str:
    """One that there is a bundle for."""
    known = ("gradescope", *platforms.LAYOUTS)
    if name not in known:
        raise argparse.ArgumentTypeError(f"there is no bundle for {name}; choose from {', '.join(known)}")
    return name


def main(arguments: Sequence[str] = ()) -> None:
    parser = argparse.ArgumentParser("make release", description="Everything that leaves the building, in dist/.")
    others = ", ".join(platforms.LAYOUTS)
    parser.add_argument("platforms", nargs="*", type=platform, metavar="PLATFORM", help=f"more bundles: {others}")
    wanted = dict.fromkeys(parser.parse_args(arguments).platforms)
    shutil.rmtree(DIST, ignore_errors=True)  # an old bundle must not be taken for a new one
    try:
        commit, files = bundles.commit(), bundles.tracked()
        course = Course(Rubric.load())
        differs = late_work(files["handout.md"].decode(), course.rubric.late)
        made = release(commit, files, shown, [name for name in wanted if name in platforms.LAYOUTS])
        for name, data in made.items():
            write(DIST / name, data)
    except (NotReady, NotProven, ExpectationsError, OSError, ValueError) as reason:
        shutil.rmtree(DIST, ignore_errors=True)
        sys.exit(f"No release: {reason}.")
    for name, data in made.items():
        print(f"dist/{name:<30}{len(data):>11,} bytes  {sha256(data)}")
    print(f"{len(json.loads(made['RELEASE.json'])['proofs'])} proofs hold; RELEASE.json lists them.")
    for name in (course.edition(lang).named("handout.md") for lang in EDITIONS):
        if fields := open_fields(files[name].decode()):
            print(f"Still open in {name}, between its INSTRUCTOR comments: {', '.join(fields)}.")
    if differs:
        print(differs)


if __name__ == "__main__":
    main(sys.argv[1:])
