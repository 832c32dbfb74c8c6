"""Parts that run programs: training with a student's scheduler, and infer.py. What the grader measures, and where."""

import io
import json
import struct
import zlib

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import save
from test_submissions import ACCEPTED

from autograder import checks, given, measure
from autograder.box import Box, BoxError, proof
from autograder.box.gpu import Access, GpuFault
from autograder.box.proof import Gpu
from autograder.checks import program, training
from autograder.grading import grade as grade_submission
from autograder.instructor.authoring import patches
from autograder.instructor.authoring.recording import record
from autograder.record import PASSED, Failed
from autograder.rubric import Rubric
from autograder.student import Budget, Student

# Charged in infer.py as well: noise where none belongs cannot be made again, nor can what is written into one's input,
# and samples that explode have no variance to speak of.
CHARGED_AGAIN = {
    "previous_is_t_minus_one",
    "previous_past_the_end_is_zero",
    "ddim_noise_at_eta_zero",
    "predict_in_place",
    "ddpm_mean_divided_by_alpha_bar",
}
PROGRAMS = [part for part in Rubric.load().parts if part not in checks.EXACT]


def changed(name, old, new):
    """The reference's files with one replacement."""
    files = patches.reference()
    text = files[name].decode()
    assert text.count(old) == 1
    return files | {name: text.replace(old, new).encode()}


# ----- whole submissions ----------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", range(5))
def test_accepted_on_fresh_seeds(seed, box, rubric, tmp_path):
    """Each accepted submission on one of five seeds, with the reference's infer.py where it has none."""
    ids = [id for id, entry in rubric.checks.items() if entry.part in PROGRAMS]
    expectations = record(box, rubric, f"accepted, seed {seed}", only=ids)
    failed = []
    for path in ACCEPTED[seed::5]:
        folder = tmp_path / path.name
        folder.mkdir()
        for name, content in (patches.reference() | {f.name: f.read_bytes() for f in path.glob("*.py")}).items():
            (folder / name).write_bytes(content)
        found = grade_submission(folder, box, rubric, expectations, only=PROGRAMS).checks
        failed += [(path.name, check.id, check.message, check.detail) for check in found if check.verdict != PASSED]
    assert failed == []


@pytest.mark.slow
@pytest.mark.timeout(60)
@pytest.mark.parametrize("patch", patches.load_all(), ids=lambda patch: patch.id)
def test_mistake_in_every_part(patch, grade):
    """What a mistake in scheduler.py loses in training is in its patch; infer.py is not charged for it again, unless it
    crashes or brings NaN; and nothing is ever our fault."""
    found = {check.id: check for check in grade(patch.files, public_only=True, only=PROGRAMS).checks}
    lost = {id for id, check in found.items() if check.verdict != PASSED}
    trained = {id for id in patch.loses if id.startswith("training.")}
    assert trained <= lost <= {*trained, *patch.may_lose, *(id for id in found if id.startswith("infer."))}
    assert not any(check.verdict == "ungraded" for check in found.values())
    if patch.file == "scheduler.py" and patch.id not in CHARGED_AGAIN:
        wrong = {id for id, check in found.items() if check.verdict == "wrong" and id.startswith("infer.")}
        assert wrong <= {"infer.digits"}


def test_a_mistake_in_the_scheduler_is_not_charged_again(grade):
    files = changed("scheduler.py", "sigma = eta * variance.sqrt()", "sigma = eta * variance")
    found = grade(files, public_only=True, only=["ddim", "infer"])
    assert {check.id for check in found.checks if check.verdict != PASSED} == {"ddim.eta", "ddim.strided"}


def test_advice_costs_no_points(grade):
    files = changed("infer.py", "@torch.inference_mode()\ndef run", "def run")
    files |= {"infer.py": files["infer.py"].replace(b"return model.eval(), config", b"return model, config")}
    files["infer.py"] = files["infer.py"].replace(b"yield x.cpu()", b"yield x.detach().cpu()")
    found = {check.id: check for check in grade(files, public_only=True, only=["infer"]).checks}
    assert {check.verdict for check in found.values()} == {PASSED}
    assert "torch.inference_mode()" in found["infer.ddim"].hint and "eval()" in found["infer.ddim"].hint


# ----- where training runs --------------------------------------------------------------------------------------------


@pytest.fixture
def imaginary(monkeypatch):
    """A GPU that is the CPU under another name: all goes the way that it goes with a GPU, in spawned processes."""
    gpu = Gpu("cpu:0", "Imaginary")
    monkeypatch.setattr(Box, "find_gpu", lambda self: gpu if gpu.trusted else None)
    return gpu


@pytest.fixture(scope="module")
def short(box, rubric):
    """What the training checks expect, and no other, where a run has ten steps."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "STEPS", 10)
        yield record(box, rubric, "near a GPU", only=[id for id in checks.CHECKS if id.startswith("training.")])


@pytest.fixture
def train_on(box, rubric, short, tmp_path, monkeypatch, imaginary):
    """train_on(ends) -> (GradeRecord, calls) of the reference's training near the imaginary GPU.

    ends  how runs there end, in turn: an exception, or None for a right one; after the last, all are right
    calls  the device of each run that was begun
    """

    def train_on(ends, sets=1):
        calls, coming, real = [], iter(ends), Student.training

        def training(self, settings, digits, device="cpu", **changed):
            self.load()  # as the real one does
            calls.append(device)
            end = next(coming, None) if device != "cpu" else None
            if end:
                self.imported = True
                raise end
            return real(self, settings, digits, "cpu", **changed)

        monkeypatch.setattr(Student, "training", training)
        (tmp_path / "scheduler.py").write_bytes(patches.reference()["scheduler.py"])
        return grade_submission(tmp_path, box, rubric, *[short] * sets, only=["training"], gpu=True), calls

    return train_on


LOST = [GpuFault("memory", "the GPU has no memory left (CUDA out of memory)"), GpuFault("hang", "no answer in time")]


def test_a_gpu_that_fails_never_decides(train_on):
    """It is tried once more, then the CPU decides, for hidden cases and the next check as well; the grade says so."""
    found, calls = train_on(LOST, sets=2)
    assert [check.verdict for check in found.checks] == [PASSED, PASSED]
    assert calls == ["cpu:0", "cpu:0", "cpu", "cpu", "cpu", "cpu"]
    assert found.made_with["device"] == "cpu"
    (note,) = [note for note in found.notes if "Imaginary" in note]
    assert "graded on the CPU, as it failed 2 times on Imaginary: the GPU has no memory left" in note
    assert "no answer in time" in note


def test_a_gpu_that_fails_once_is_tried_again(train_on):
    found, calls = train_on(LOST[:1])
    assert [check.verdict for check in found.checks] == [PASSED, PASSED]
    assert (calls, found.made_with["device"]) == (["cpu:0"] * 3, "Imaginary")
    assert any("Imaginary failed once and was tried again: the GPU has no memory left" in note for note in found.notes)


def test_a_mix_of_devices_is_the_students(train_on):
    mix = "indices should be either on cpu or on the same device as the indexed tensor (cpu)"
    found, calls = train_on([Failed("crashed", "train.py raised RuntimeError", mix, ["RuntimeError"])])
    assert [check.verdict for check in found.checks] == ["crashed", PASSED]
    assert calls == ["cpu:0"] * 2


def test_a_mix_of_devices_costs_the_same_without_a_gpu(box, rubric, short, tmp_path):
    mistaken = patches.load(patches.MISTAKES / "extract_table_left_on_the_cpu.toml")
    (tmp_path / "scheduler.py").write_bytes(mistaken.files["scheduler.py"])
    found = grade_submission(tmp_path, box, rubric, short, only=["training"])
    assert [check.verdict for check in found.checks] == ["wrong", "wrong"]
    assert "mixes CPU and CUDA tensors" in found.checks[0].message


def test_a_gpu_that_cannot_be_used_is_told(box, rubric, short, tmp_path, monkeypatch):
    monkeypatch.setattr(Box, "find_gpu", lambda self: None)
    monkeypatch.setattr(box, "gpu_fault", "the GPU is busy, or kept for another process")
    (tmp_path / "scheduler.py").write_bytes(patches.reference()["scheduler.py"])
    found = grade_submission(tmp_path, box, rubric, short, only=["training.epsilon"], gpu=True)
    assert (found.points, found.made_with["device"]) == (2, "cpu")
    assert "Training was graded on the CPU: the GPU is busy, or kept for another process." in found.notes


def test_what_fails_on_the_cpu_too_was_not_the_gpu(box, rubric, imaginary):
    """A submission that hangs everywhere does not cost the next one its GPU."""
    student = Student(box, None, rubric.limits, gpu=imaginary)

    def run(device):
        raise LOST[1] if device != "cpu" else Failed("timed_out", "it hangs")

    with pytest.raises(Failed):
        student.on_gpu_or_cpu(run)
    assert imaginary.trusted and student.gpu is None and student.trained_on == ["cpu"]


def test_the_time_of_a_failed_gpu_is_given_back(box, rubric, imaginary):
    budget = Budget(100, 20)
    student = Student(box, None, rubric.limits, budget, imaginary)

    def run(device):
        budget.take(30, 35)
        if device != "cpu":
            raise LOST[1]

    student.on_gpu_or_cpu(run)
    assert (budget.student, budget.wall) == (30, 35)


@pytest.mark.slow
def test_one_process_near_the_gpu_for_each_set_of_cases(box, rubric, short, tmp_path, monkeypatch, imaginary):
    started, real = [], Box.start

    def start(self, folder, gpu=False, **changed):
        started.append(gpu)
        return real(self, folder, gpu, **changed)

    monkeypatch.setattr(Box, "start", start)
    (tmp_path / "scheduler.py").write_bytes(patches.reference()["scheduler.py"])
    found = grade_submission(tmp_path, box, rubric, short, short, only=["training"], gpu=True)
    assert [check.verdict for check in found.checks] == [PASSED, PASSED]
    assert (sum(started), found.made_with["device"]) == (2, "Imaginary")


def test_a_gpu_is_used_once_it_has_shown_that_it_works(box, monkeypatch):
    assert proof.prove(box) == (None, "") or Access.of_this_process().nodes
    monkeypatch.setattr("autograder.box.proof.Access.of_this_process", lambda: Access(nodes=["/dev/null"]))
    monkeypatch.setattr(Box, "start", lambda self, folder, gpu: (_ for _ in ()).throw(BoxError("no driver")))
    gpu, why = proof.prove(box)
    assert gpu is None and "could not be started (no driver)" in why


def test_a_gpu_that_failed_is_proven_again_and_not_for_ever(box, monkeypatch):
    names = iter("one two three four five six seven".split())
    monkeypatch.setattr(proof, "prove", lambda box: (Gpu("cuda", next(names)), ""))
    for name, value in (("gpu", None), ("gpu_fault", ""), ("proofs", 0)):
        monkeypatch.setattr(box, name, value)
    used = []
    while gpu := box.find_gpu():
        used.append(gpu.name)
        assert box.find_gpu() is gpu
        gpu.worked = gpu.name == "two"
        gpu.faults += ["it failed", "it failed"]
    assert used == ["one", "two", "three", "four", "five"] and box.find_gpu() is None
    assert box.gpu_fault == "five failed 3 submissions in a row"


def test_changed_given_files_are_nobodys_fault(grade, monkeypatch):
    monkeypatch.setattr(given, "version", lambda: "another")
    found = grade(patches.reference(), public_only=True, only=["training"])
    assert {check.verdict for check in found.checks} == {"ungraded"}
    assert "put the original back" in found.checks[0].message


# ----- what came out of the box is measured, whatever it is -----------------------------------------------------------

UNET = training.UNET


@pytest.fixture(scope="module")
def weights():
    return {name: value.numpy() for name, value in given.module("unet").UNet(**UNET).state_dict().items()}


def loss(content):
    x = np.zeros((2, 1, 28, 28), np.float32)
    return measure.held_out_loss(content, UNET, x, np.array([0, 999]), x + 1)


def test_loss_of_a_network_is_the_mean_over_all_pixels(weights):
    silent = weights | {"head.weight": 0 * weights["head.weight"], "head.bias": 0 * weights["head.bias"] + 0.5}
    assert loss(save(silent)) == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda w: b"", "not a safetensors file"),
        (lambda w: save(w)[:-1], "not a safetensors file"),
        (lambda w: struct.pack("<Q", 1 << 62) + b"{}", "not a safetensors file"),
        (lambda w: save({}), "not those of the network"),
        (lambda w: save(w | {"more": np.zeros(1, np.float32)}), "not those of the network"),
        (
            lambda w: save(w | {"head.bias": w["head.bias"].astype(np.float64)}),
            "must be float32, got float32 and float64",
        ),
        (lambda w: save(w | {"head.bias": w["head.bias"][:1]}), "not those of the network"),
        (lambda w: save(w | {"head.bias": w["head.bias"] * np.nan}), "NaN or infinite"),
    ],
)
def test_weights_that_are_none(weights, spoil, message):
    with pytest.raises(Failed, match=message) as caught:
        loss(spoil(weights))
    assert caught.value.verdict == "bad_output"


def png(array):
    file = io.BytesIO()
    Image.fromarray(array).save(file, "PNG")
    return file.getvalue()


def bomb():
    """A PNG of 100,000 x 100,000 pixels in a few bytes."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


def test_pictures():
    grey = np.arange(12, dtype=np.uint8).reshape(3, 4)
    for array in (grey, np.stack([grey] * 3, axis=-1)):
        assert np.array_equal(measure.pixels(png(array), "it"), grey)
    coloured = np.stack([grey, grey, 0 * grey], axis=-1)
    for content, message in (
        (b"", "cannot be read as a PNG"),
        (png(grey)[:40], "cannot be read as a PNG"),
        (b"GIF89a" + bytes(20), "cannot be read as a PNG"),
        (bomb(), "cannot be read as a PNG"),
        (png(np.zeros((1, 5000), np.uint8)), "cannot be read as a PNG"),
        (png(coloured), "colours"),
    ):
        with pytest.raises(Failed, match=message) as caught:
            measure.pixels(content, "it")
        assert caught.value.verdict == "bad_output"


def test_the_grid_is_torchvisions(monkeypatch):
    import torch
    from torchvision.utils import make_grid

    samples = np.random.default_rng(0).uniform(-1, 1, (7, 1, 28, 28)).astype(np.float32)
    expected = 255 * make_grid((torch.from_numpy(samples) + 1) / 2, nrow=3, padding=2)[0]
    assert np.abs(program.grid(samples) - expected.numpy()).max() < 1e-4


def test_the_probe_has_the_interface_of_the_real_network():
    import inspect

    probe = {}
    exec(program.PROBE, probe)
    real = given.module("unet").UNet
    assert str(inspect.signature(probe["UNet"])) == str(inspect.signature(real))
    config = json.loads(json.dumps({"time_channels": 10}))
    import torch

    network = probe["UNet"](**config)
    network.load_state_dict({"slope": torch.arange(10.0), "offset": torch.ones(10), "pattern": torch.zeros(1, 28, 28)})
    x = torch.ones(2, 1, 28, 28)
    assert network(x, torch.tensor([3, 4]))[:, 0, 0, 0].tolist() == [3, 4]
    network.requires_grad_(False)(x, torch.tensor([3, 4]))  # another way not to record gradients
    assert probe["calls"] == [(3, True, True), (3, False, True)]
    for network in (probe["UNet"](**config), real()):
        with pytest.raises(IndexError):
            network(x, torch.tensor(3))
