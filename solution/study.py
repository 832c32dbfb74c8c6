"""The study: prediction type x number of steps x eta, and bits and distortion, as tables and plots. Handout 7.

    python study.py                                        the two checkpoints of the kit, into runs/study/
    python study.py --student jdoe42 run/model.safetensors     one of your own, from noise of your own

Stop it whenever you like: every result is a file of its own in the folder's pieces/, written at once or not at all, and
the same command goes on with what is missing. A result is made again when the checkpoint, scheduler.py, the noise or
the number of images is another than the one that it was made with. The folder receives

    study.csv        a row for each checkpoint, number of steps and eta: judged samples, as in evaluate.py
    timesteps.csv    a row for each checkpoint, variance and timestep: loss, bits, rate and distortion, as in bound.py
    study.md         the tables
    samples.png, steps.png, timesteps.png, distortion.png    the plots (plots.py; they need matplotlib)
"""

import argparse
import hashlib
import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

import bound
import classifier
import saving
import tables
from evaluate import load_checkpoint, real_digits, sample, schedule_of
from scheduler import DDIMScheduler, DDPMScheduler
from train import stop_signal

HERE = Path(__file__).resolve().parent
STEPS = (1, 5, 10, 20, 50, 100, 1000)
ETAS = (0.0, 0.5, 1.0)
VARIANCE_TYPES = ("fixed_small", "fixed_large")
SHOWN = 10  # images of each row that are kept, for the plot


class Study:
    """All results for some checkpoints, each computed once.

    paths    of checkpoints
    noise    (N, 1, 28, 28), where every sampling starts
    digits   (M, 1, 28, 28), real ones, to be coded
    folder   where the pieces are kept
    stop     an event that ends the work, with KeyboardInterrupt
    """

    def __init__(self, paths, noise, digits, folder, device="cpu", workers=1, stop=None):
        self.noise, self.digits, self.folder, self.device, self.stop = noise, digits, Path(folder), device, stop
        self.pool = ThreadPoolExecutor(workers)
        self.batch = 2500 if device == "cuda" else 25  # on a CPU, so small that its caches hold the activations
        self.networks, self.made_with = {}, {}
        for path in map(Path, paths):
            name = path.parent.name if path.stem == "model" else path.stem
            if name in self.networks:
                raise ValueError(f"two checkpoints are called {name}; rename one of them")
            model, config = load_checkpoint(path)
            self.networks[name] = model.to(device, memory_format=torch.channels_last), schedule_of(config)
            self.made_with[name] = digest(path.read_bytes(), (HERE / "scheduler.py").read_bytes())
        self.progress = Progress(
            TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn(),
            # In a notebook rich would draw a widget, which swallows what is shown next, or write codes for a terminal.
            console=Console(highlight=False, force_jupyter=False, force_terminal=sys.stdout.isatty(), soft_wrap=True),
        )  # fmt: skip

    # ----- what is asked for ------------------------------------------------------------------------------------------

    def run(self, steps=STEPS, etas=ETAS):
        """(rows, codes): the results of `row` and `code` for all checkpoints, as far as they must, computed now."""
        rows = [(name, S, eta) for name, (_, schedule) in self.networks.items() for S in steps for eta in etas
                if S <= schedule["num_train_timesteps"]]  # fmt: skip
        codes = [(name, kind) for name in self.networks for kind in VARIANCE_TYPES if len(self.digits)]
        missing = [self.row_key(*row) for row in rows] + [self.code_key(*code) for code in codes]
        calls = sum(key["calls"] for key in missing if self.read(key) is None)
        with self.progress:
            self.task = self.progress.add_task("", total=calls)
            return [self.row(*row) for row in rows], [self.code(*code) for code in codes]

    def row(self, name, steps, eta):
        """Samples of a checkpoint, judged: {"checkpoint", "steps", "eta", "n", "confident", "digits", "frechet"}, and
        "images", the first of them as uint8 (SHOWN, 28, 28)."""
        key = self.row_key(name, steps, eta)
        found = self.read(key)
        if found is None:
            model, schedule = self.networks[name]

            def part(number, noise):
                generator = self.generator(number, self.noise)
                return sample(model, DDIMScheduler(**schedule), noise, steps, self.tick, eta=eta, generator=generator)

            images = self.parts(part, self.noise, f"{name}, {steps} steps, eta {eta:g}")
            judged = {"confident": 0.0, "digits": [0] * 10, "frechet": float("inf")}  # what is not finite is no digit
            if images.isfinite().all():
                judged = classifier.measure(images)
            shown = ((images[:SHOWN, 0] + 1) * 127.5).round().nan_to_num().byte()
            found = self.write(key, judged, {"images": shown})
            said = f"confident {judged['confident']:.1%}, Frechet distance {judged['frechet']:.2f}"
            self.progress.console.print(f"{name}, {steps} steps, eta {eta:g}: {said}")
        judged, tensors = found
        return {"checkpoint": name, "steps": steps, "eta": eta, "n": len(self.noise)} | judged | tensors

    def code(self, name, variance_type):
        """What coding the digits takes: {"checkpoint", "variance_type", "code": bound.Code}."""
        key = self.code_key(name, variance_type)
        found = self.read(key)
        if found is None:
            model, schedule = self.networks[name]

            def part(number, digits):
                generator = self.generator(number, self.digits)
                scheduler = DDPMScheduler(**schedule, variance_type=variance_type)
                code = bound.send(model, scheduler, digits, generator, self.tick)
                return torch.cat([code.bits, code.rmse, code.loss]).T

            values = self.parts(part, self.digits, f"{name}, coding, {variance_type}").T.contiguous()
            found = self.write(key, {}, {"code": values})
            self.progress.console.print(f"{name}, {variance_type}: {bound.summary(code_of(values))}")
        return {"checkpoint": name, "variance_type": variance_type, "code": code_of(found[1]["code"])}

    def parts(self, work, images, description):
        """work(number, part) of every part of the images, put together again; the parts run side by side."""
        self.progress.update(self.task, description=description)
        parts = images.to(self.device).split(self.batch)
        return torch.cat([part.cpu() for part in self.pool.map(work, range(len(parts)), parts)])

    def generator(self, number, images):
        """What part `number` draws from: the same for every setting, another for other images (or another student)."""
        return torch.Generator(self.device).manual_seed(int(digest_of(images), 16) % 2**48 + number)

    def tick(self, images):
        if self.stop is not None and self.stop.is_set():
            raise KeyboardInterrupt
        self.progress.advance(self.task, images)

    # ----- the pieces -------------------------------------------------------------------------------------------------

    def row_key(self, name, steps, eta):
        return self.key(name, f"{steps}-{eta:g}", self.noise, steps)

    def code_key(self, name, variance_type):
        return self.key(name, variance_type, self.digits, self.networks[name][1]["num_train_timesteps"])

    def key(self, name, what, images, steps):
        """What a piece depends on, and its calls of the network, counted in images."""
        piece = {"piece": f"{name}-{what}", "made_with": self.made_with[name], "input": digest_of(images)}
        return piece | {"calls": steps * len(images)}

    def path(self, key):
        return self.folder / "pieces" / f"{key['piece']}.safetensors"

    def read(self, key):
        """(result, tensors) that were written with this key; None when there are none that can be used."""
        try:
            with safe_open(self.path(key), framework="pt") as file:
                notes = {name: json.loads(value) for name, value in (file.metadata() or {}).items()}
                if notes.get("key") == key:
                    return notes["result"], {name: file.get_tensor(name) for name in file.keys()}
        except (OSError, SafetensorError, ValueError):
            pass  # not there, or damaged: it is made again
        return None

    def write(self, key, result, tensors):
        saving.write(self.path(key), save(tensors, {"key": json.dumps(key), "result": json.dumps(result)}))
        return result, tensors


def code_of(values):
    """The bound.Code that was flattened into (3 T + 1, M)."""
    T = len(values) // 3
    return bound.Code(*values.split([T + 1, T, T]))


def digest(*contents):
    return hashlib.sha256(b"".join(hashlib.sha256(content).digest() for content in contents)).hexdigest()[:16]


def digest_of(tensor):
    return digest(tensor.numpy().tobytes())


def noise_of(student, number):
    """Where sampling starts: `number` x 1 x 28 x 28, standard normal, one and the same for each student's name or id.

    The first images are the same for every number.
    """
    seed = int.from_bytes(hashlib.sha256(student.encode()).digest()[:7])
    generator = torch.Generator().manual_seed(seed)
    return torch.cat([torch.randn(1, 1, 28, 28, generator=generator) for _ in range(number)])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    shipped = [HERE / "checkpoints" / f"{kind}.safetensors" for kind in ("epsilon", "v_prediction")]
    parser.add_argument("checkpoints", nargs="*", type=Path, default=shipped, metavar="CHECKPOINT")
    parser.add_argument("--student", default="reference", help="your name or id: the noise is drawn from it")
    parser.add_argument("--num-images", type=int, help="samples in every row; 10000 on cuda, else 250")
    parser.add_argument("--num-coded", type=int, default=50, help="real digits that are coded")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="threads, on a CPU")
    parser.add_argument("--out", type=Path, default=Path("runs/study"))
    options = parser.parse_args()
    device = options.device if options.device != "auto" else "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        parser.error("this machine has no cuda device")
    number = options.num_images or (10_000 if device == "cuda" else 250)
    if not (2 <= number <= 10_000 and 2 <= options.num_coded <= 5000 and options.workers >= 1):
        parser.error("--num-images must be 2 to 10000, --num-coded 2 to 5000, --workers at least 1")
    stop = stop_signal()
    torch.set_num_threads(1)  # each worker is one; more of them on images so small would mostly wait for each other
    try:
        real, line = real_digits(number)
        digits, coded_line = real_digits(options.num_coded)
        noise, workers = noise_of(options.student, number), options.workers if device == "cpu" else 1
        study = Study(options.checkpoints, noise, digits, options.out, device, workers, stop)
        rows, codes = study.run()
    except (OSError, ValueError) as error:
        sys.exit(f"study.py: {error}")
    except NotImplementedError as todo:
        sys.exit(f"study.py: {todo} of scheduler.py is not done yet, and the study needs all of it")
    except KeyboardInterrupt:
        print("Stopped; the same command goes on from here.")
        return 130
    floor = classifier.measure(real) | {"line": line, "coded_line": coded_line, "student": options.student}
    tables.write_all(options.out, rows, codes, floor)
    print(f"Tables and plots are in {options.out}/.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
