"""What measures the autograder: the mutants, results that are kept, the page, the tolerances."""

import ast
from collections import Counter

import pytest

from autograder import checks
from autograder.instructor.authoring import patches
from autograder.instructor.validity import __main__ as validity
from autograder.instructor.validity import tolerances
from autograder.instructor.validity.mutants import mutants
from autograder.instructor.validity.page import Survivors, render
from autograder.instructor.validity.trials import Graded, Subject, Trials
from autograder.paths import ROOT

# ----- mutants --------------------------------------------------------------------------------------------------------


def test_every_mutation_of_a_small_program():
    source = "def f(a):\n    # doubles\n    return (a + 1) * max(a, 2)\n"
    made = mutants("f.py", source)
    assert {mutant.after for mutant in made} == {
        "return (a + 1) / max(a, 2)",
        "return (a - 1) * max(a, 2)",
        "return (a + 2) * max(a, 2)",
        "return (a + 1) * max(None, 2)",
        "return (a + 1) * max(a, None)",
        "return (a + 1) * max(2)",
        "return (a + 1) * max(a, )",
        "return (a + 1) * max(a, 3)",
    }
    assert len(made) == 8
    assert {(mutant.where, mutant.before) for mutant in made} == {("f", "return (a + 1) * max(a, 2)")}
    assert made[0].name == f"f.py f: {made[0].after}"


@pytest.mark.parametrize(("file", "least"), [("scheduler.py", 350), ("infer.py", 300)])
def test_mutants_of_the_reference(file, least):
    source = patches.reference("contest")[file].decode()
    made = mutants(file, source)
    assert len(made) >= least
    programs = Counter(ast.dump(ast.parse(mutant.source)) for mutant in made)
    assert max(programs.values()) == 1 and ast.dump(ast.parse(source)) not in programs
    assert all(compile(mutant.source, file, "exec") for mutant in made)
    names = {mutant.name for mutant in made}
    assert {name for name in Survivors.load().why if name.startswith(file)} <= names


# ----- a run that goes on where it stopped ----------------------------------------------------------------------------


class Silent:
    """A progress bar that nobody sees."""

    def add_task(self, *_, **__):
        pass

    def advance(self, _):
        pass


def some(n=3):
    """The first known mistakes of part 1."""
    return [
        Subject("mistake", patch.id, patch.file, patch.files, ("schedule",), ("public", None))
        for patch in patches.load_all()[:n]
    ]


def test_results_are_kept_and_depend_on_the_kit(rubric, tmp_path, monkeypatch):
    with Trials(tmp_path, "a kit", rubric, 2, Silent()) as run:
        first = some()
        run.grade("Mistakes", first)
    assert all(one.verdicts == {"schedule.linear": "wrong"} for one in first)
    assert all(one.named == {"schedule.linear": one.name} for one in first)

    calls, nothing = [], Graded(verdicts={}, named={}, said={}, reads={})
    monkeypatch.setattr(Trials, "graded", lambda self, box, one: calls.append(one.name) or nothing)
    with Trials(tmp_path, "a kit", rubric, 1, Silent()) as run:
        again = some(4)
        run.grade("Mistakes", again)
    assert calls == [again[3].name]
    assert [one.verdicts for one in again] == [*(one.verdicts for one in first), {}]
    assert len(list(tmp_path.iterdir())) == 4
    with Trials(tmp_path, "another kit", rubric, 1, Silent()) as run:
        run.grade("Mistakes", some(1))
    assert len(calls) == 2


def test_a_mutant_is_compared_with_the_mistake_that_it_is(rubric, tmp_path):
    known = [one for one in some(9) if one.name in ("linear_range_hard_coded", "linear_geometric")]
    source = known[0].files["scheduler.py"] + b"\n# written otherwise\n"
    mutant = Subject("mutant", "twin", "scheduler.py", {"scheduler.py": source}, ("schedule",), ("public", None))
    with Trials(tmp_path, "a kit", rubric, 1, Silent()) as run:
        run.grade("Both", [mutant, *known])
        assert mutant.said == known[0].said == known[1].said
        run.compare("Twins", [mutant], known)
    assert mutant.same_as == [known[0].name] and not mutant.misnamed
    mutant.named = {"schedule.linear": known[1].name}
    assert mutant.misnamed


def test_two_names_may_be_right_together():
    mutant = graded("mutant", "both", {"reverse.noise": "wrong", "ddim.noise": "wrong"})
    mutant.alike = {"one": ["reverse.noise"], "other": ["ddim.noise"]}
    mutant.named = {"reverse.noise": "one", "ddim.noise": "other"}
    assert not mutant.misnamed
    mutant.named = {"reverse.noise": "one"}
    assert mutant.misnamed


def test_those_who_share_a_seed_are_each_graded_on_all_that_they_have(rubric, tmp_path):
    """Its cases were recorded for the last of them alone, and `make validity` ended with a traceback."""
    files = patches.reference()
    both = [Subject("right", part, "", files, (part,), ("a seed", None)) for part in ("forward", "schedule")]
    with Trials(tmp_path, "a kit", rubric, 1, Silent()) as run:
        run.grade("Right ones", both)
    assert [one.verdicts for one in both] == [{}, {}]


def test_a_fault_of_ours_is_no_result(rubric, tmp_path, monkeypatch):
    monkeypatch.setattr("autograder.checks.run", lambda *_: 1 / 0)
    with Trials(tmp_path, "a kit", rubric, 1, Silent()) as run:
        with pytest.raises(RuntimeError, match="division by zero"):
            run.grade("Mistakes", some(1))
    assert not list(tmp_path.iterdir())


# ----- the page -------------------------------------------------------------------------------------------------------


def graded(kind, name, verdicts=None, named=(), alike=(), file="scheduler.py", seed="s"):
    return Subject(kind, name, file, {}, (), (seed, None), verdicts or {}, dict(named), {}, {}, dict(alike))


@pytest.fixture
def canned():
    """What render gets where all is well."""
    return {
        "commit": "abc",
        "seed": "s",
        "wrong": [
            graded("mutant", "killed", {"ddim.eta": "wrong"}, {"ddim.eta": "one"}, {"one": ["ddim.eta"]}),
            graded("mutant", "hangs", {"infer.ddim": "timed_out", "infer.random": "blocked"}, file="infer.py"),
            graded("mutant", "the same"),
        ],
        "known": [graded("mistake", "one", {"ddim.eta": "wrong", "ddim.strided": "wrong"}, {"ddim.eta": "one"})],
        "exact": [graded("right", name, seed=seed) for name in ("a", "b") for seed in ("1", "2", "3")],
        "every": [graded("right", "a")],
        "survivors": Survivors(
            {"the same": "It is the same."}, {id: "It is needed." for id in checks.CHECKS if id != "ddim.eta"}
        ),
        "cheap": {"little": (14, 4)},
    }


def test_a_page_where_all_is_well(canned):
    canned["wrong"][0].reads = {"ddim.eta": {"x0_hat": "right", "z": "eta * beta_t**0.5"}}
    canned["known"][0].reads = {"ddim.eta": {"x0_hat": None}}
    text, problems = render(**canned)
    assert problems == []
    assert {
        "| mutants of `scheduler.py` | 1 | 1 | 0 | 1 | 0 |",
        "| known mistakes of `scheduler.py` | 1 | 0 | 1 | 1 | 0 |",
        "| mutants of `infer.py` | 1 | 0 | 0 | 0 | 1 |",
        "| a wrong submission loses nothing | 0 of 2 mutants that behave differently |",
        "| a known mistake loses nothing | 0 of 1 |",
        "| a right submission loses points | 0 of 6 on the exact parts, 0 of 1 on all |",
        "| a mutant that does the same as a known mistake is not named | 0 of 1 |",
        "| a mutant is given the name of a mistake that it does not make | 0 of 2 |",
        "| `scheduler.py` | 2 | 1 | 0 | 1 | 0 |",
        "| `infer.py` | 1 | 1 | 1 | 0 | 0 |",
        "| `ddim.eta` | 1 | 1 | 1 | 0 |",
        "| `ddim.strided` | 0 | 0 | 1 | 0 |",
        "| points for no right formula at all | 4 of 96, for the noise that a step draws |",
        "| `little` | 14 | 4 |",
        "**It is the same.** (1)",
        "- `the same`",
        "- `ddim.strided`: It is needed.",
    } <= set(text.splitlines())
    assert "commit abc" in text and "the 2 of" in text and "under 3 seeds" in text


def test_all_that_is_not_well_is_said(canned):
    canned["wrong"][2].verdicts = {"ddim.eta": "wrong"}
    canned["wrong"] += [
        graded("mutant", "accepted"),
        graded("mutant", "unnamed", {"ddim.eta": "wrong"}, alike={"one": ["ddim.eta"]}),
        graded("mutant", "strange", {"ddim.eta": "wrong"}, {"ddim.eta": "one"}),
    ]
    canned["known"] += [
        graded("mistake", "missed"),
        graded("mistake", "nameless", {"ddim.eta": "wrong"}),
        graded("mistake", "misnamed", {"ddim.eta": "wrong"}, {"ddim.eta": "one"}),
    ]
    canned["exact"] += [graded("right", "rejected", {"ddim.eta": "wrong"}, seed="7")]
    canned["cheap"]["much"] = (20, 6)
    del canned["survivors"].checks["ddim.strided"]
    text, problems = render(**canned)
    told = "\n".join(problems)
    assert len(problems) == 7
    for words in (
        "'''accepted'''",
        "survives no more: '''the same'''",
        "loses nothing: missed",
        "loses points: rejected under 7",
        "earns 6 points, more than 5: much",
        "name of another: misnamed",
        "only ddim.strided",
    ):
        assert words in told
    assert {
        "| a wrong submission loses nothing | 1 of 6 mutants that behave differently |",
        "| a known mistake is not named | 1 of 4 |",
        "- The known mistake `nameless` gets no name.",
        "- The known mistake `misnamed` is called `one`.",
        "- `unnamed` does what `one` does, and gets no name.",
        "- `strange` is called `one`, and does something else.",
    } <= set(text.splitlines())


def test_the_committed_page_has_no_wrong_grade():
    """Its numbers are those of the commit that it names."""
    text = (ROOT / "VALIDITY.md").read_text(encoding="utf-8")
    assert "| a wrong submission loses nothing | 0 of " in text
    assert "| a known mistake loses nothing | 0 of " in text
    rejected = next(line for line in text.splitlines() if line.startswith("| a right submission loses points"))
    assert rejected.count("0 of ") == 2
    assert "with changes that are not committed" not in text
    assert "(VALIDITY.md)" in (ROOT / "README.md").read_text(encoding="utf-8")[:3000]


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_all_of_it(capsys, tmp_path, monkeypatch):
    """As `make validity` does it; what an earlier run of the same kit has graded is taken from there."""
    monkeypatch.setattr(validity, "PAGE", tmp_path / "VALIDITY.md")
    monkeypatch.setattr("sys.argv", ["validity"])
    assert validity.main() == 0, capsys.readouterr().out[-3000:]


# ----- tolerances -----------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_tolerance_has_room_on_both_sides(box, rubric):
    found = tolerances.measure(box, rubric, ["a seed of its own"])
    assert {id: of for id, of in found.items() if min(of.margins) < tolerances.MARGIN} == {}


def test_the_comments_of_the_rubric_are_written_and_nothing_else():
    text = '"a.b" = { title = "It", tolerance = 1e-3 }\n"a.c" = { tolerance = 2 }  # right 1e-01, wrong -\n# end\n'
    found = {"a.b": tolerances.Distances(1e-3, 1e-6, "x", 0.04, "y"), "a.c": tolerances.Distances(2)}
    written = tolerances.annotated(text, found)
    assert written.splitlines() == [
        '"a.b" = { title = "It", tolerance = 1e-3 }  # right 1e-06, wrong 4e-02',
        '"a.c" = { tolerance = 2 }  # right 0e+00, wrong -',
        "# end",
    ]
    assert tolerances.annotated(written, found) == written
