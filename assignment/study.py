"""The study: prediction type x number of steps x eta, and bits and distortion, as tables and plots. Handout 7.

    python study.py                                        the two checkpoints of the kit, into runs/study/;
                                                           11 minutes on two cores
    python study.py --student jdoe42 run/model.safetensors     one of your own, from noise of your own

Samples come from your infer.py, bits from your scheduler.py. Stop it whenever you like: every result is a file of its
own in the folder's pieces/, written at once or not at all, and the same command goes on with what is missing. A result
is made again when the checkpoint, scheduler.py, infer.py, the noise or the number of images is another than the one
that it was made with. The folder receives

    study.csv        a row for each checkpoint, number of steps and eta: judged samples, as in evaluate.py
    timesteps.csv    a row for each checkpoint, variance and timestep: loss, bits, rate and distortion, as in bound.py
    study.md         the tables
    samples.png, steps.png, timesteps.png, distortion.png    the plots (plots.py; they need matplotlib)
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

import bound
import classifier
import data
import saving
import tables
from evaluate import judged
from sampling import INFER, NoSamples, from_noise
from scheduler import DDPMScheduler
from train import stop_signal

sys.path.insert(1, str(Path(__file__).resolve().parents[1]))  # the kit, which has a checkpoint's network for the bits
from autograder import networks

HERE = Path(__file__).resolve().parent
STEPS = (1, 5, 10, 20, 50, 100, 1000)
ETAS = (0.0, 0.5, 1.0)
VARIANCE_TYPES = ("fixed_small", "fixed_large")
SHOWN = 10  # images of each row that are kept, for the plot
CODED = 25  # digits that are coded at once: so few that the caches of a CPU hold the activations
START = 3000  # calls of the network, counted in images, that take as long as the start of infer.py


class Study:
    """All results for some checkpoints, each computed once.

    paths    of checkpoints
    student  whose noise it is where every sampling starts
    number   of samples in each row
    coded    number of real digits whose bits are bounded
    folder   where the pieces are kept
    workers  how many rows are made side by side
    stop     an event that ends the work, with KeyboardInterrupt
    Raises ValueError or OSError, in one line.
    """

    def __init__(
        self,
        paths: Iterable[str | Path],
        student: str,
        number: int,
        coded: int,
        folder: str | Path,
        device: str = "cpu",
        workers: int = 1,
        stop: threading.Event | None = None,
    ) -> None:
        self.folder, self.device, self.workers, self.stop = Path(folder), device, workers, stop or threading.Event()
        self.noise = noise_of(student, number)
        self.digits, coded_line = data.unseen(coded)
        real, line = data.unseen(number)
        self.floor = classifier.measure(real) | {"line": line, "coded_line": coded_line, "student": student}
        self.checkpoints: dict[str, Path] = {}
        self.networks: dict[str, tuple[torch.nn.Module, dict[str, Any]]] = {}
        self.made_with: dict[str, str] = {}
        for path in map(Path, paths):
            name = path.parent.name if path.stem == "model" else path.stem
            if name in self.networks:
                raise ValueError(f"two checkpoints are called {name}; rename one of them")
            network, schedule = networks.load(path)
            network.to(device).to(memory_format=torch.channels_last)
            self.checkpoints[name], self.networks[name] = path, (network, schedule)
            programs = [file.read_bytes() for file in (HERE / "scheduler.py", INFER) if file.exists()]
            self.made_with[name] = digest(path.read_bytes(), *programs)
        self.progress = Progress(
            TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn(),
            # In a notebook rich would draw a widget, which swallows what is shown next, or write codes for a terminal.
            console=Console(highlight=False, force_jupyter=False, force_terminal=sys.stdout.isatty(), soft_wrap=True),
        )  # fmt: skip

    # ----- what is asked for ------------------------------------------------------------------------------------------

    def run(
        self, steps: Sequence[int] = STEPS, etas: Sequence[float] = ETAS
    ) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """(rows, codes): the results of `row` and `code` for all checkpoints, as far as they must, computed now.

        Raises sampling.NoSamples where infer.py gives none.
        """
        rows = [(name, S, eta) for name, (_, schedule) in self.networks.items() for S in steps for eta in etas
                if S <= schedule["num_train_timesteps"]]  # fmt: skip
        codes = [(name, kind) for name in self.networks for kind in VARIANCE_TYPES if len(self.digits)]
        missing = [
            self.row_calls(steps) for name, steps, eta in rows if self.read(self.row_key(name, steps, eta)) is None
        ]
        missing += [self.code_calls(name) for name, kind in codes if self.read(self.code_key(name, kind)) is None]
        with self.progress, ThreadPoolExecutor(self.workers) as pool:
            self.task = self.progress.add_task("", total=sum(missing))
            try:
                done = list(pool.map(lambda piece: (self.row if len(piece) == 3 else self.code)(*piece), rows + codes))
            except BaseException:
                self.stop.set()  # what is still at work ends as well
                raise
        return done[: len(rows)], done[len(rows) :]

    def row(self, name: str, steps: int, eta: float) -> dict[str, Any]:
        """Samples of a checkpoint, judged: {"checkpoint", "steps", "eta", "n", "confident", "digits", "frechet"}, and
        "images", the first of them as uint8 (SHOWN, 28, 28)."""
        key = self.row_key(name, steps, eta)
        found = self.read(key)
        if found is None:
            self.progress.update(self.task, description=f"{name}, {steps} steps, eta {eta:g}")
            parts = []
            for noise in self.noise.split(self.at_once(steps)):
                seed = (int(digest_of(self.noise), 16) + len(parts)) % 2**31
                checkpoint = self.checkpoints[name]
                parts.append(from_noise(checkpoint, noise, steps, eta, seed, self.device, stop=self.stop))
                self.progress.advance(self.task, START + steps * len(noise))
            images = torch.cat(parts)
            result = {"confident": 0.0, "digits": [0] * 10, "frechet": float("inf")}  # what is not finite is no digit
            if images.isfinite().all():
                result = classifier.measure(images)
            shown = ((images[:SHOWN, 0] + 1) * 127.5).round().nan_to_num().byte()
            found = self.write(key, result, {"images": shown})
            said = f"{name}, {steps} steps, eta {eta:g}: {judged(result, self.floor)}"
            self.progress.console.print(said)
        result, tensors = found
        return {"checkpoint": name, "steps": steps, "eta": eta, "n": len(self.noise)} | result | tensors

    def code(self, name: str, variance_type: str) -> dict[str, Any]:
        """What coding the digits takes: {"checkpoint", "variance_type", "code": bound.Code}."""
        key = self.code_key(name, variance_type)
        found = self.read(key)
        if found is None:
            self.progress.update(self.task, description=f"{name}, coding, {variance_type}")
            network, schedule = self.networks[name]
            scheduler, parts = DDPMScheduler(**schedule, variance_type=variance_type), []
            for digits in self.digits.to(self.device).split(CODED if self.device == "cpu" else 2500):
                seed = int(digest_of(self.digits), 16) % 2**48 + len(parts)
                generator = torch.Generator(self.device).manual_seed(seed)
                code = bound.send(network, scheduler, digits, generator, self.tick)
                parts.append(torch.cat([code.bits, code.rmse, code.loss], 0))
            values = torch.cat(parts, 1)
            found = self.write(key, {}, {"code": values})
            self.progress.console.print(f"{name}, {variance_type}: {bound.summary(code_of(values))}")
        return {"checkpoint": name, "variance_type": variance_type, "code": code_of(found[1]["code"])}

    def at_once(self, steps: int) -> int:
        """How many images one run of infer.py makes: on a CPU so few that it ends within a minute or so."""
        return min(250, max(25, 50_000 // steps)) if self.device == "cpu" else 2500

    def row_calls(self, steps: int) -> int:
        """What a row costs, in calls of the network, counted in images."""
        return START * len(self.noise.split(self.at_once(steps))) + steps * len(self.noise)

    def code_calls(self, name: str) -> int:
        return self.networks[name][1]["num_train_timesteps"] * len(self.digits)

    def tick(self, images: int) -> None:
        if self.stop.is_set():
            raise KeyboardInterrupt
        self.progress.advance(self.task, images)

    # ----- the pieces -------------------------------------------------------------------------------------------------

    def row_key(self, name: str, steps: int, eta: float) -> dict[str, Any]:
        return self.key(name, f"{steps}-{eta:g}", self.noise) | {"steps": steps}

    def code_key(self, name: str, variance_type: str) -> dict[str, Any]:
        return self.key(name, variance_type, self.digits)

    def key(self, name: str, what: str, images: torch.Tensor) -> dict[str, Any]:
        """What a piece depends on."""
        return {"piece": f"{name}-{what}", "made_with": self.made_with[name], "input": digest_of(images)}

    def path(self, key: dict[str, Any]) -> Path:
        return self.folder / "pieces" / f"{key['piece']}.safetensors"

    def read(self, key: dict[str, Any]) -> tuple[dict[str, Any], dict[str, torch.Tensor]] | None:
        """(result, tensors) that were written with this key; None when there are none that can be used."""
        try:
            with safe_open(self.path(key), framework="pt") as file:
                notes = {name: json.loads(value) for name, value in (file.metadata() or {}).items()}
                if notes.get("key") == key:
                    return notes["result"], {name: file.get_tensor(name) for name in file.keys()}
        except (OSError, SafetensorError, ValueError):
            pass  # not there, or damaged: it is made again
        return None

    def write(
        self, key: dict[str, Any], result: dict[str, Any], tensors: dict[str, torch.Tensor]
    ) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
        saving.write(self.path(key), save(tensors, {"key": json.dumps(key), "result": json.dumps(result)}))
        return result, tensors


def code_of(values: torch.Tensor) -> bound.Code:
    """The bound.Code that was flattened into (3 T + 1, M)."""
    T = len(values) // 3
    return bound.Code(*values.split([T + 1, T, T]))


def digest(*contents: bytes) -> str:
    return hashlib.sha256(b"".join(hashlib.sha256(content).digest() for content in contents)).hexdigest()[:16]


def digest_of(tensor: torch.Tensor) -> str:
    return digest(tensor.numpy().tobytes())


def noise_of(student: str, number: int) -> torch.Tensor:
    """Where sampling starts: `number` x 1 x 28 x 28, standard normal, one and the same for each student's name or id.

    The first images are the same for every number.
    """
    seed = int.from_bytes(hashlib.sha256(student.encode()).digest()[:7])
    generator = torch.Generator().manual_seed(seed)
    return torch.cat([torch.randn(1, 1, 28, 28, generator=generator) for _ in range(number)])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    shipped = [HERE / "checkpoints" / f"{kind}.safetensors" for kind in ("epsilon", "v_prediction")]
    parser.add_argument("checkpoints", nargs="*", type=Path, default=shipped, metavar="CHECKPOINT")
    parser.add_argument("--student", default="reference", help="your name or id: the noise is drawn from it")
    parser.add_argument(
        "--num-images", type=int, help="samples in every row; 10000 on cuda after `make data`, else 250"
    )
    parser.add_argument("--num-coded", type=int, default=50, help="real digits that are coded")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="rows made side by side, on a CPU")
    parser.add_argument("--out", type=Path, default=Path("runs/study"))
    options = parser.parse_args()
    device = options.device if options.device != "auto" else "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        parser.error("this machine has no cuda device")
    number = options.num_images or (10_000 if device == "cuda" and data.complete() else 250)
    if not (2 <= number <= 10_000 and 2 <= options.num_coded <= 1000 and options.workers >= 1):
        parser.error("--num-images must be 2 to 10000, --num-coded 2 to 1000, --workers at least 1")
    stop = stop_signal()
    torch.set_num_threads(1)  # each worker is one; more of them on images so small would mostly wait for each other
    workers = options.workers if device == "cpu" else 1
    try:
        study = Study(
            options.checkpoints, options.student, number, options.num_coded, options.out, device, workers, stop
        )
        rows, codes = study.run()
    except (OSError, ValueError, NoSamples) as error:
        sys.exit(f"study.py: {error}")
    except NotImplementedError as todo:
        sys.exit(f"study.py: {todo} of scheduler.py is not done yet, and the study needs all of it")
    except KeyboardInterrupt:
        print("Stopped; the same command goes on from here.")
        return 130
    tables.write_all(options.out, rows, codes, study.floor)
    print(f"Tables and plots are in {options.out}/.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
