"""The phases: each is a function that tells what it measured, `python -m autograder.instructor.gpu_report.phases NAME`.

On a machine without a GPU all of them run on the CPU, which with --tiny is a rehearsal.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ... import checks, measure
from ...box import Box, Layers, launch
from ...box.gpu import Access
from ...box.host import doctor, strongest
from ...box.inside import landlock_rules
from ...checks import smoke, training
from ...expect import Expect
from ...paths import ROOT, SECRETS
from ...rubric import Rubric
from ...student import Student
from ..authoring.patches import reference
from ..authoring.recording import record

if TYPE_CHECKING:
    from ...expectations import Expectations


def tell(what: str, found: object) -> None:
    print(json.dumps({"what": what, "found": found}), flush=True)


# ----- what this machine is, and what a process near its GPU asks for -------------------------------------------------


def machine(tiny: bool) -> None:
    rubric = Rubric.load()
    with strongest(rubric.limits, SECRETS) as box:
        started = time.perf_counter()
        gpu = box.find_gpu()
        tell("GPU proven in the box", gpu.name if gpu else f"none: {box.gpu_fault or 'no sign of one'}")
        tell("seconds until it was proven", round(time.perf_counter() - started, 1))
        tell("tier", box.tier)
        for line in doctor(box, rubric.box["minimum_tier"]):
            tell("doctor", line.strip())
    import torch

    tell("torch", torch.__version__)
    if torch.cuda.is_available():
        tell("capability", str(torch.cuda.get_device_capability()))
        tell("bfloat16, native and at all",
             [torch.cuda.is_bf16_supported(including_emulation=emulated) for emulated in (False, True)])  # fmt: skip
    for query in ("driver_version,persistence_mode,compute_mode,mig.mode.current,ecc.mode.current,memory.total",):
        with contextlib.suppress(OSError):
            asked = [shutil.which("nvidia-smi") or "nvidia-smi", f"--query-gpu={query}", "--format=csv,noheader"]
            tell(query, subprocess.run(asked, capture_output=True, text=True, timeout=30).stdout.strip())


def trace(tiny: bool) -> None:
    """What the driver opens and what it is refused, at each tier, beside what is allowed."""
    strace = shutil.which("strace")
    layers = Layers.of_this_host()
    ways = {"nothing": Layers(), "B": replace(layers, bubblewrap="")}
    if layers.bubblewrap:
        ways["A"] = layers
    access = Access.of_this_process()
    own = (*landlock_rules.OWN, *landlock_rules.DEVICES, *landlock_rules.SYSTEM, str(ROOT / "autograder" / "box"))
    allowed = (*access.nodes, *access.readable, *layers.readable, *own, "/newroot", "/oldroot")  # of bubblewrap
    for name, which in ways.items():
        with tempfile.TemporaryDirectory() as folder, Box(Rubric.load().limits, which, start="spawn") as box:
            log = Path(folder) / "trace"
            log.touch()
            log.chmod(0o666)
            Path(folder).chmod(0o711)
            with traced(log if strace else None):
                started = time.perf_counter()
                try:
                    process = box.start(box.stage({}), gpu=True)
                    said = process.ask("accelerator", seconds=60)
                    process.close()
                except Exception as error:
                    said = f"{type(error).__name__}: {error}"
            tell(f"with {name}: a convolution, forward and back", str(said))
            tell(f"with {name}: seconds{', traced' if strace else ''}", round(time.perf_counter() - started, 1))
            if not strace:
                tell(f"with {name}: not traced", "strace is not installed")
                continue
            opened, refused = read_trace(log.read_text(errors="replace"))
            tell(f"with {name}: refused", refused)
            beyond = [path for path in opened if not path.startswith(allowed) and not path.startswith(str(box.spool))]
            tell(f"with {name}: opened beyond the list of what is allowed", beyond)


@contextlib.contextmanager
def traced(log: Path | None) -> Generator[None]:
    """While it lasts, processes are spawned under strace, which writes to `log`; as ever where there is none."""
    start = launch.Spawner.__init__

    def under_strace(
        self: launch.Spawner, prefix: Sequence[str | Path] = (), user: int | None = None, near: Access | None = None
    ) -> None:
        calls = "trace=open,openat,openat2,connect,socket,mknod,memfd_create"
        start(self, ["strace", "-f", "-qq", "-e", calls, "-o", str(log), *prefix], user, near)

    if log:
        launch.Spawner.__init__ = under_strace
    try:
        yield
    finally:
        launch.Spawner.__init__ = start


def read_trace(text: str) -> tuple[list[str], list[str]]:
    """(paths opened, calls refused) of what strace wrote, each once."""
    opened, refused = {}, {}
    for line in text.splitlines():
        call = line.split(" ", 1)[-1].strip()
        if re.search(r"= -1 E(ACCES|PERM)\b", call):
            refused[call[:200]] = None
        elif (path := re.search(r'^open\w*\([^"]*"([^"]+)"', call)) and "= -1" not in call:
            opened[path[1]] = None
    return sorted(opened), sorted(refused)


# ----- how far losses lie apart ---------------------------------------------------------------------------------------


def band(tiny: bool) -> None:
    """Runs on the GPU beside what is recorded, which is of the CPU."""
    from ..validity import training_band

    chosen = training_band.submissions()
    if tiny:
        chosen = {name: chosen[name] for name in (f"{training_band.RIGHT}the reference", "velocity_sign")}
    seeds = [f"spread {n}" for n in range(1 if tiny else 6)]
    tolerance, lost, far = Rubric.load().checks["training.epsilon"].tolerance, {}, 0.0
    for name, errors in training_band.errors(chosen, seeds if tiny else seeds[:3], workers=2 if tiny else 8):
        low, high = (100 * find(errors) for find in (np.min, np.max))
        tell(f"{name}: off by, in %", f"{low:.4f} to {high:.4f}")
        if name.startswith(training_band.RIGHT):
            far = max(far, high)
        else:
            lost[name] = any(min(each) > tolerance for each in errors)
    tell("right ones: off by at most, in %", round(far, 4))
    tell(f"mistakes that leave {100 * tolerance:g} % at every seed", f"{sum(lost.values())} of {len(lost)}")
    ((_, errors),) = training_band.errors({"": reference()}, seeds, workers=1)
    tell(f"the reference over {len(seeds)} seeds: off by at most, in %", round(100 * np.max(errors), 4))
    rubric = Rubric.load()
    with Box(rubric.limits) as box:
        with Student.at_work(box, reference(), rubric.limits, gpu=box.find_gpu()) as student:
            for id in training_band.CHECKS:
                for seed in seeds:
                    expected = record(box, rubric, seed, only=[id])
                    tell(f"{id}, {seed}: bfloat16 off by, in %", round(100 * in_bfloat16(student, id, expected), 4))


def in_bfloat16(student: Student, id: str, expected: Expectations) -> float:
    """How far the reference's loss in bfloat16 is from the one recorded in float32, relative to that."""
    (recorded,) = (value for key, value in expected.tensors.items() if key.startswith(f"{id}/value/"))
    seed, t, scalars = Expect(expected, id, np.inf).inputs
    digits, x_t, target = training.held_out(int(seed), scalars)
    settings = {
        "scheduler": {"prediction_type": id.removeprefix("training."), **training.SCHEDULE},
        "unet": training.UNET, "seed": int(seed), "steps": training.STEPS, "batch_size": training.BATCH_SIZE,
        "timesteps": "uniform", "precision": "bfloat16",
    }  # fmt: skip
    content = student.on_gpu_or_cpu(partial(training.weights, student, settings, digits))
    return abs(measure.held_out_loss(content, training.UNET, x_t, t, target) / float(recorded) - 1)


# ----- what a submission costs, alone and among others ----------------------------------------------------------------


def queue(tiny: bool) -> None:
    """Both training checks of one submission, so many at a time on one GPU."""
    rubric = Rubric.load()
    ids = [id for id in checks.CHECKS if id.startswith("training.")]
    with Box(rubric.limits) as first:
        recorded = record(first, rubric, "queue", only=ids)
        near, layers = first.find_gpu(), first.layers

        def one(_: int) -> tuple[float, list[str]]:
            with Box(rubric.limits | {"train_seconds": 300}, layers, start="spawn") as box:
                with Student.at_work(box, reference(), box.limits, gpu=near) as student:
                    student.imported = True  # by the exact parts, in a real grade
                    started = time.perf_counter()
                    for id in ids:
                        checks.run(id, student, Expect(recorded, id, rubric.checks[id].tolerance, public=False))
                return time.perf_counter() - started, student.faults

        for width, runs in ((1, 1), (2, 2)) if tiny else ((1, 3), (2, 6), (4, 8), (8, 16), (16, 16)):
            started = time.perf_counter()
            with ThreadPoolExecutor(width) as pool:
                found = list(pool.map(one, range(runs)))
            each = (time.perf_counter() - started) / runs
            tell(f"{width} at a time: seconds per submission", round(each, 2))
            tell(f"{width} at a time: seconds of the slowest", round(max(seconds for seconds, _ in found), 2))
            if faults := [fault for _, faults in found for fault in faults]:
                tell(f"{width} at a time: faults of the GPU", faults)


# ----- speed ----------------------------------------------------------------------------------------------------------


def speed(tiny: bool) -> None:
    """Training: the loop of tutorials beside train.py in float32, bfloat16 and compiled, in turn."""
    from ..bench import training as bench

    for batch in (4,) if tiny else (64, 512):
        rounds, steps = (1, 2) if tiny else (6, 100)
        medians = bench.in_turn(bench.device(), batch, rounds, steps)
        for loop, images in medians.items():
            tell(f"batch {batch}, {loop}: images a second", round(images))
            tell(f"batch {batch}, {loop}: ms a step", round(1000 * batch / images, 3))


def sampling(tiny: bool) -> None:
    """50 steps of DDIM: the reference beside the pipeline of diffusers and bare calls of the network, in turn."""
    from ..bench import sampling as bench

    for batch in (4,) if tiny else (64, 1000):
        for way, seconds in bench.in_turn(bench.device(), batch, *((2, 1) if tiny else (50, 7))).items():
            tell(f"{batch} digits, {way}: ms a step", round(1000 * seconds, 3))


def quality(tiny: bool) -> None:
    """How many seconds of training until digits are digits: the real network, all of MNIST where it is there."""
    sys.path.insert(0, str(ROOT / "solution"))
    import torch

    import classifier
    import data
    import train
    from scheduler import DDIMScheduler

    from ...networks import sample
    from ..bench.training import device

    images, line = data.load("mnist" if data.complete() else "digits5k")
    tell("digits", line)
    runs = [(1000, 64), (1000, 256), (3000, 256), (10000, 256), (5000, 512)]
    for steps, batch in [(3, 4)] if tiny else runs:
        schedule = {"prediction_type": "v_prediction", **training.SCHEDULE}
        settings = {"scheduler": schedule, "unet": {}, "steps": steps, "batch_size": batch, "seed": 0}
        settings |= {"timesteps": "log_snr"}
        run = train.Run(settings | {"precision": train.precision_on(device())}, images, device())
        started = time.perf_counter()
        for _ in range(steps):
            run.advance()
        loss = run.losses[-100:].mean().item()  # waits for the GPU
        trained = time.perf_counter() - started
        noise = torch.randn(20 if tiny else 1000, 1, 28, 28, generator=torch.Generator().manual_seed(0))
        made = sample(run.ema.module, DDIMScheduler(**schedule), noise.to(device()), 2 if tiny else 50)
        found = classifier.measure(made.cpu())
        tell(f"{steps} steps of {batch}", f"{trained:.1f} s, loss {loss:.4f}, classifier sure of "
             f"{found['confident']:.1%}, Frechet distance {found['frechet']:.1f}")  # fmt: skip


# ----- as users meet it -----------------------------------------------------------------------------------------------


def smoke_test(tiny: bool) -> None:
    """The smoke test of the reference, of a right submission and of a mistake, with the references' own time."""
    if tiny:
        size = replace(smoke.ON_CPU, steps=4, batch_size=4, images=100)
        smoke.ON_CPU, smoke.ON_GPU, smoke.UNET = size, size, training.UNET
    from ...grading import grade

    rubric = Rubric.load(smoke=True)
    accepted = ROOT / "tests" / "submissions" / "accepted"
    with Box(rubric.limits) as box:
        recorded = record(box, rubric, "smoke", only=[checks.SMOKE])
        for name, path in {"the reference": ROOT / "solution", "float64_inside": accepted / "float64_inside"}.items():
            started = time.perf_counter()
            found = grade(path, box, rubric, recorded, only=[checks.SMOKE], gpu=True)
            (check,) = found.checks
            first = " and of the runs beside it" if name == "the reference" else ""
            tell(f"{name}: seconds of it{first}", round(time.perf_counter() - started, 1))
            tell(f"{name}: {check.verdict}", f"{check.output} {' '.join(found.notes)}")


def classroom(tiny: bool) -> None:
    """A class of 20 right submissions, all parts, as `make class` grades it."""
    number = 2 if tiny else 20
    with tempfile.TemporaryDirectory() as folder:
        for n, path in enumerate(sorted((ROOT / "tests" / "submissions" / "accepted").iterdir())[:number]):
            shutil.copytree(path, Path(folder) / "in" / f"student{n:02d}")
        command = [sys.executable, "-m", "autograder.instructor.classroom", "grade", f"{folder}/in"]
        command += ["--class", f"{folder}/class", *(["--exact"] if tiny else ["--trainings", "8"])]
        started = time.perf_counter()
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        tell(f"a class of {number}: seconds", round(time.perf_counter() - started, 1))
        if done.returncode:
            sys.exit(f"the class was not graded: {done.stderr.strip()}")
        results = [json.loads(path.read_text()) for path in Path(folder).glob("class/results/*/results.json")]
        points = [result["score"] for result in results if "score" in result]
        tell("graded", f"{len(points)} of {number}")
        tell("points, least and most", [min(points), max(points)])
        tell("trained on", sorted({str(result["extra_data"].get("device")) for result in results}))


class Phase(NamedTuple):
    """A function, which is told whether this is a rehearsal, and the most that it may take."""

    function: Callable[[bool], None]
    seconds: float


PHASES = {
    "machine": Phase(machine, 120),
    "trace": Phase(trace, 240),
    "smoke": Phase(smoke_test, 240),
    "band": Phase(band, 400),
    "queue": Phase(queue, 180),
    "speed": Phase(speed, 240),
    "sampling": Phase(sampling, 60),
    "quality": Phase(quality, 400),
    "class": Phase(classroom, 300),
}


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    PHASES[sys.argv[1]].function("--tiny" in sys.argv)
