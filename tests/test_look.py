"""What the student's code draws so far: all of it, some of it, nothing; and whatever the code does, a line about it."""

import base64
import io
import re
import sys
from dataclasses import replace

import numpy as np
import pytest
import reference
import torch
from PIL import Image

from autograder import __main__ as command
from autograder import look, measure
from autograder.grading import grade
from autograder.instructor.authoring import patches, train_plane
from autograder.intake.submission import Submission
from autograder.look import drawing, plane, views
from autograder.paths import ROOT
from autograder.record import GradeRecord
from autograder.reports import html

STEPS = views.STEPS
REFERENCE = reference.SCHEDULER
INFER = (ROOT / "solution" / "infer.py").read_bytes()
SECTIONS = ["1.4", "2.2", "3.4", "3.7", "4.1", "6.3", "8.1", "8.2"]
LABELLED = ROOT / "solution" / "checkpoints" / "labels.safetensors"
NOTHING_RAN = GradeRecord("work", [], False, True, [], {})


@pytest.fixture
def see(box, rubric, monkeypatch):
    """see(scheduler.py, ...) -> {section: Sight}

    of      the sections; all by default
    limits  of the rubric, changed
    """

    # The network that only a course with part 8.2 has.
    monkeypatch.setattr(views.given, "labelled", lambda: LABELLED)

    def see(source, infer=None, of=SECTIONS, record=NOTHING_RAN, steps=3, advance=lambda images: None, **limits):
        monkeypatch.setattr(views, "STEPS", steps)
        files = {"scheduler.py": source.encode()} | ({"infer.py": infer} if infer else {})
        wanted = [view for view in look.VIEWS if view.section in of]
        changed = replace(rubric, limits=rubric.limits | limits)
        submission = Submission("work", files)
        return {one.view.section: one for one in look.look(submission, box, changed, record, wanted, advance)}

    return see


@pytest.fixture
def no_hidden(monkeypatch, tmp_path):
    monkeypatch.setattr(command, "HIDDEN", tmp_path / "none")


def changed(old, new, source=REFERENCE):
    assert old in source
    return source.replace(old, new)


def test_the_reference_draws_everything(see, rubric):
    through = []
    seen = see(REFERENCE, INFER, steps=20, advance=through.append)
    assert list(seen) == SECTIONS and all(one.drawing and not one.wrong for one in seen.values())
    assert sum(through) == sum(view.work for view in look.VIEWS) * 20 / STEPS
    ddpm, ddim, program = (seen[section].drawing.rows for section in ("3.7", "4.1", "6.3"))
    assert np.allclose(ddim[2], ddpm[1], atol=1e-2), "with eta = 1, DDIM is DDPM"
    assert program.shape == (4, 16, 1, 28, 28)
    for digits in (ddpm, ddim, program):
        assert 0.05 < (digits > 0).mean() < 0.3, "white on black"
    guessed = seen["3.4"].drawing.rows[1, -1]
    assert np.abs(guessed - plane.spiral(600, seed=1)[0]).max() < 0.2
    walked = seen["8.1"].drawing.rows[0]
    assert plane.off(walked[0]) > 0.2 and plane.off(walked[-1]) < 0.06

    film = Image.open(io.BytesIO(look.film(seen.values())))
    assert film.n_frames == views.STEPS + 1 and film.size == (3 * 30 * 10, 3 * 30 * 3)
    asked = seen["8.2"].drawing.rows
    forgotten, *_, beyond = (measure.digits(row)["digits"].count(1) for row in asked)
    assert forgotten < beyond == 10, "one of each, where the label is not forgotten"
    black = []
    for frame in (0, views.STEPS):
        film.seek(frame)
        black.append((np.asarray(film.convert("L")) < 30).mean())
    assert black[0] < 0.4 and black[1] > 0.7, "from noise to digits"
    whole = Image.open(io.BytesIO(look.picture(seen.values())))
    assert whole.width == 975 and whole.height > 1500
    page = html.render(replace(NOTHING_RAN, shown=look.for_report(seen.values())), rubric)
    pictures = re.findall(r'<img src="data:image/png;base64,([^"]+)" alt="([^"]+)">', page)
    assert len(pictures) == page.count("<img") == len(SECTIONS)
    for (content, words), section in zip(pictures, SECTIONS, strict=True):
        assert Image.open(io.BytesIO(base64.b64decode(content))).width == 975
        assert words.startswith(f"After {section}: ")
    assert len(page) < 1_000_000


@pytest.mark.parametrize(
    ("old", "new", "spoilt"),
    [("(sample - b * epsilon) / a", "(sample + b * epsilon) / a", 0), ("a * sample - b *", "a * sample + b *", 1)],
    ids=["epsilon", "v"],
)
def test_a_mistake_about_one_kind_of_output_is_seen_in_its_row(see, old, new, spoilt):
    """Both networks predicted v, so nobody could see a mistake about epsilon."""
    right, wrong = (see(source, of=["3.7"])["3.7"].drawing for source in (REFERENCE, changed(old, new)))
    assert right.labels == wrong.labels == ["ε", "v"]
    assert [np.allclose(*rows) for rows in zip(right.rows, wrong.rows, strict=True)] == [spoilt == 1, spoilt == 0]


def test_who_has_one_kind_of_output_sees_its_row(see):
    source = changed("x0 = a * sample - b * model_output", 'raise NotImplementedError("TODO 3.4")')
    sight = see(source, of=["3.7"])["3.7"]
    assert sight.drawing.labels == ["ε"] and sight.said.startswith("The shipped network for ε and your DDPM step")


def test_a_step_without_eta_draws_its_beginnings_once(see):
    """Three rows that are alike, under three eta, looked like a mistake to who had not come to 4.2 yet."""
    sight = see(changed("sigma = eta * ", "sigma = 0 * "), of=["4.1"])["4.1"]
    assert sight.drawing.rows.shape == (1, 8, 1, 28, 28) and sight.said.endswith("no notice of eta yet (4.2).")


def test_the_skeleton_draws_nothing_and_says_where_to_begin(tmp_path, no_hidden, capsys):
    (tmp_path / "look.png").write_bytes(b"of another day")
    assert command.main(["look", str(ROOT / "assignment"), "--out", str(tmp_path)]) == 0
    said = capsys.readouterr().out.strip()  # once in six runs of all tests, blank lines of another came before it
    assert said == "There is nothing to see yet. Begin with 1.1 and 1.4 of the handout, then look again."
    assert not list(tmp_path.iterdir())


def test_who_has_parts_1_and_2_sees_them(tmp_path, no_hidden, capsys):
    source = changed("index = self._index(timestep)\n", 'raise NotImplementedError("TODO 3.2")\n')
    source = changed(
        "steps = [round((S - i) * T / S) - 1 for i in range(S)]", 'raise NotImplementedError("TODO 3.1")', source
    )
    (tmp_path / "scheduler.py").write_text(source, encoding="utf-8")
    assert command.main(["look", str(tmp_path), "--out", str(tmp_path / "out")]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{tmp_path}/out/look.png shows what your code does so far:",
        "  After 1.4: The schedules: drawn.",
        "  After 2.2: A digit in noise: drawn.",
        "  After 3.4: A spiral, guessed: waits for TODO 3.2",
        "  After 3.7: Digits by your step: waits for TODO 3.1",
        "  After 4.1: The same beginnings: waits for TODO 3.1",
        "  After 6.3: 64 digits from infer.py: waits for infer.py",
    ]
    assert Image.open(tmp_path / "out" / "look.png").height > 300


def test_a_schedule_that_is_missing_is_named(see):
    source = changed("    roots = torch", '    raise NotImplementedError("TODO 1.2")\n    roots = torch')
    sight = see(source, of=["1.4"])["1.4"]
    assert list(next(iter(sight.drawing.panels.values()))) == ["linear", "cosine"]
    assert sight.said.endswith("linear, cosine. Not written yet: scaled_linear.")


def test_a_known_mistake_is_named_below_what_it_looks_like(see, box, rubric, public, tmp_path):
    files = patches.load(patches.MISTAKES / "ddpm_mean_noise_added.toml").files
    source = files["scheduler.py"].decode()
    (tmp_path / "scheduler.py").write_text(source, encoding="utf-8")
    record = grade(tmp_path, box, rubric, public, only=["reverse"])
    sight = see(source, of=["3.7"], record=record, steps=10)["3.7"]
    assert sight.wrong.startswith("Not right yet (reverse.step, handout 3.7). What your code does: The mean has a plus")
    assert np.abs(sight.drawing.rows).max() > 100  # it is drawn all the same
    assert sight.wrong in look.as_text([sight]) and sight.wrong in look.for_report([sight])[0].text


def test_what_is_not_written_yet_is_nothing_wrong(see, box, rubric, public, tmp_path):
    """Who had 1.1 and 1.4 was told that the curves are not right yet, and who had 3.4 the same of the spiral."""
    source = changed("    roots = torch", '    raise NotImplementedError("TODO 1.2")\n    roots = torch')
    source = changed("        if self.clip_sample:\n", "        if False:\n", source)
    (tmp_path / "scheduler.py").write_text(source, encoding="utf-8")
    record = grade(tmp_path, box, rubric, public, only=["schedule", "forward", "reverse"])
    assert {check.id: check.verdict for check in record.checks}["reverse.clip"] == "wrong"
    seen = see(source, of=["1.4", "3.4", "3.7"], record=record)
    assert not seen["1.4"].wrong and not seen["3.4"].wrong and "reverse.clip" in seen["3.7"].wrong


def test_digits_without_noise_are_there_before_those_with_noise(see):
    source = changed(
        "        _, variance = self.posterior(x0, sample, timestep)\n        sigma = eta * variance.sqrt()\n",
        "        sigma = torch.zeros(())\n",
    )
    source = changed(
        "            x_prev = x_prev + sigma * z", '            raise NotImplementedError("TODO 4.2")', source
    )
    sight = see(source, of=["4.1"])["4.1"]
    assert sight.drawing.labels == ["η = 0"] and sight.drawing.rows.shape[:2] == (1, 8) and "3.7" not in sight.said


STEP = "        x0, _ = self.predict(model_output, timestep, sample)\n"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("if int(timestep) < 900: return sample * float('nan')", "your step returned NaN at t = 666"),
        ("return sample / 0", "your step returned infinite numbers at t = 999"),
        (
            "return sample[:, :, 1:]",
            "your step returned the shape (8, 1, 27, 28) at t = 999; it must be (8, 1, 28, 28)",
        ),
        ("return sample.int()", "your step returned int32 at t = 999; it must be float32"),
        ("return sample.numpy()", "your step must return a torch.Tensor at t = 999, got a numpy array"),
        ("return None", "your step must return a torch.Tensor at t = 999, got None (is a return missing?)"),
        ("while True: pass", "step(...) did not return within 0.5 s, so it was stopped"),
        ("import os; os._exit(3)", "step(...) ended the whole process with exit status 3 instead of returning"),
        ("raise ValueError('<b>')", "step(...) raised ValueError at scheduler.py line"),
    ],
)
def test_a_broken_step_costs_its_own_picture_only(see, rubric, line, said):
    seen = see(changed(STEP, f"        {line}\n{STEP}"), of=["2.2", "3.7", "4.1"], call_seconds=0.5)
    assert seen["2.2"].drawing and seen["4.1"].drawing and not seen["3.7"].drawing
    assert seen["3.7"].said.startswith(f"not drawn: {said}")
    assert look.picture(seen.values()).startswith(b"\x89PNG")
    assert "<b>'" not in html.render(replace(NOTHING_RAN, shown=look.for_report(seen.values())), rubric)


@pytest.mark.parametrize(
    ("timesteps", "said"),
    [
        ("list(range(999, -1, -1))", "your set_timesteps(3) left no list of 3 timesteps"),
        ("[1000, 500, 0]", "your set_timesteps(3) put 1000 into the list of timesteps"),
        ("[999.0, 500.0, 0.0]", "your set_timesteps(3) left no list of 3 timesteps"),
    ],
)
def test_a_strange_list_of_timesteps_is_not_followed(see, timesteps, said):
    old = "self.timesteps = torch.tensor(steps, dtype=torch.int64, device=device)"
    assert (
        see(changed(old, f"self.timesteps = torch.tensor({timesteps})"), of=["3.7"])["3.7"].said == f"not drawn: {said}"
    )


def test_numbers_of_any_size_are_drawn(see):
    source = changed("self.betas = betas.float()", "self.betas = betas.float() * 1e38")
    source = changed("return x0, epsilon", "return 1e30 * x0, epsilon", source)
    seen = see(source, of=["1.4", "3.4", "3.7"])
    assert look.picture(seen.values()).startswith(b"\x89PNG") and all(one.drawing for one in seen.values())


def test_a_file_that_cannot_be_imported_is_told_once(see):
    seen = see("import torch\n1 / 0\n")
    text = look.as_text(list(seen.values()))
    assert text.startswith("There is nothing to see yet: not drawn: import scheduler raised ZeroDivisionError")
    assert len(text.splitlines()) == 1


def test_a_fault_of_ours_costs_no_grade(see, monkeypatch):
    monkeypatch.setattr(views, "drawn", None)
    said = see(REFERENCE, of=["2.2"])["2.2"].said
    assert said.startswith("not drawn: the grader failed, please tell your instructor: TypeError")


def test_check_draws_what_is_quick_and_nobody_else_is_kept_waiting(tmp_path, no_hidden):
    reports = []
    for way in (["check"], ["grade", "--only", "forward", "--no-pictures"]):
        assert command.main([*way, str(ROOT / "solution"), "--out", str(tmp_path)]) == 0
        reports.append(re.findall("<b>After (...)", (tmp_path / "report.html").read_text(encoding="utf-8")))
    assert reports == [["1.4", "2.2", "3.4"], []]
    assert [view.section for view in look.of_parts(["forward", "infer"])] == ["2.2", "6.3"]
    assert look.of_parts([]) == list(look.VIEWS)
    gradescope = ROOT / "autograder" / "instructor" / "release" / "gradescope" / "run_autograder"
    assert "--no-pictures" in gradescope.read_text(encoding="utf-8")


def test_a_run_that_ends_early_stays_as_it_was_in_the_film():
    runs = [[np.full((2, 1, 28, 28), number, float) for number in numbers] for numbers in ((-1, 0, 1), (0.5, -0.5))]
    film = views.filmed(runs)
    assert [rows[:, 0, 0, 0, 0].tolist() for rows in film] == [[-1, 0.5], [0, -0.5], [1, -0.5]]
    assert Image.open(io.BytesIO(drawing.moving(film))).n_frames == 3
    assert look.film([]) is None


def test_the_network_of_the_plane_knows_its_spiral():
    sys.path.insert(0, str(ROOT / "solution"))
    from scheduler import DDIMScheduler

    scheduler = DDIMScheduler(**plane.SETTINGS)
    scheduler.set_timesteps(50)
    x = torch.from_numpy(views.drawn(5, (500, 2, 1, 1)))
    for t in scheduler.timesteps.tolist():
        x = scheduler.step(torch.from_numpy(plane.network(x.numpy(), t)), t, x)
    spiral = torch.from_numpy(plane.spiral(5000, seed=2)[0])
    assert torch.cdist(x[:, :, 0, 0], spiral).amin(1).mean() < 0.03
    assert plane.WEIGHTS.stat().st_size < 20_000 and plane.FLOW.stat().st_size < 20_000


def test_training_it_again_gives_the_same():
    from scheduler import DDPMScheduler, FlowMatchScheduler

    for scheduler in (DDPMScheduler(**plane.SETTINGS), FlowMatchScheduler()):
        one, two = (train_plane.trained(scheduler, steps=5) for _ in range(2))
        assert one[1] == two[1] and all(torch.equal(one[0][name], two[0][name]) for name in one[0])
