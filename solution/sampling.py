"""Samples of your infer.py, which is run as a program<!-- IF training report
-->: train.py, evaluate.py and study.py get theirs from here<!-- END IF -->."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

INFER = Path(__file__).resolve().parent / "infer.py"


class NoSamples(Exception):
    """infer.py has made none. The message is one line that says why."""


def from_noise(
    checkpoint: Path,
    noise: torch.Tensor,
    steps: int,
    ### IF ddim
    eta: float = 0.0,
    ### END IF
    seed: int = 0,
    device: str = "cpu",
    picture: Path | None = None,
    stop: threading.Event | None = None,
) -> torch.Tensor:
    """What <!-- IF ddim -->DDIM<!-- IF flow -->, or Euler's method (8.1),<!-- END IF --><!-- ELSE DDPM --><!-- END IF
    --> makes of `noise`: both float32 (N, 1, 28, 28) on the CPU.

    picture  where infer.py's picture of the samples is kept
    stop     as in `run`
    Raises NoSamples.
    """
    with tempfile.TemporaryDirectory() as folder:
        start, made = Path(folder, "noise.safetensors"), Path(folder, "samples.safetensors")
        save_file({"noise": noise.contiguous()}, start)
        options = ["--initial-noise", start, "--samples", made, "--output", picture or Path(folder, "samples.png")]
        ### IF ddim
        run(checkpoint, *options, "--steps", steps, "--eta", eta, "--seed", seed, "--device", device, stop=stop)
        ### ELSE run(checkpoint, *options, "--steps", steps, "--seed", seed, "--device", device, stop=stop)
        ### END IF
        try:
            samples = load_file(made)["samples"]
        except (OSError, SafetensorError, KeyError):
            raise NoSamples("infer.py ended well and left no file with a tensor `samples` for --samples") from None
    if samples.shape != noise.shape:
        wrong = f"the tensor `samples` of infer.py has the shape {tuple(samples.shape)}"
        raise NoSamples(f"{wrong}; with --initial-noise it must be {tuple(noise.shape)}")
    return samples.float()


def draw(checkpoint: Path, picture: Path, device: str, *options: object) -> None:
    """The picture that infer.py makes with these options, written at once or not at all. Raises NoSamples."""
    half = picture.with_name(f"half_{picture.name}")
    run(checkpoint, "--output", half, "--device", device, *options)
    try:
        os.replace(half, picture)
    except FileNotFoundError:
        raise NoSamples("infer.py ended well and left no picture for --output") from None


def run(checkpoint: Path, *options: object, stop: threading.Event | None = None) -> None:
    """Run infer.py with this checkpoint and these options, until it ends.

    stop  an event that ends it, with KeyboardInterrupt
    Raises NoSamples unless infer.py ends well.
    """
    if not INFER.exists():
        raise NoSamples("infer.py is not there yet (part 6), and samples come from it")
    command = [sys.executable, str(INFER), "--checkpoint", str(checkpoint), *map(str, options)]
    ### IF flow
    if of_flow(checkpoint):
        command += ["--scheduler", "flow"]
    ### END IF
    # On a CPU more threads than one wait for each other: the network is small.
    environment = {"OMP_NUM_THREADS": "1", **os.environ}
    with tempfile.TemporaryFile() as printed:  # not a pipe, which a program that prints much would fill
        process = subprocess.Popen(command, stdout=printed, stderr=printed, stdin=subprocess.DEVNULL, env=environment)
        try:
            while process.poll() is None:
                if stop is not None and stop.is_set():
                    raise KeyboardInterrupt
                try:
                    process.wait(0.1)
                except subprocess.TimeoutExpired:
                    pass
        finally:
            process.kill()
            process.wait()
        if stop is not None and stop.is_set():  # Ctrl-C reaches infer.py as well, perhaps first
            raise KeyboardInterrupt
        if process.returncode:
            printed.seek(0)
            raise NoSamples(reason(printed.read().decode(errors="replace"), process.returncode))


### IF flow
def of_flow(checkpoint: Path) -> bool:
    """Whether its network predicts the velocity of 8.1. What is no checkpoint is for infer.py to refuse."""
    import json

    from safetensors import safe_open

    try:
        with safe_open(checkpoint, "pt") as file:
            return json.loads(file.metadata()["config"])["prediction_type"] == "flow"
    except (OSError, SafetensorError, TypeError, KeyError, ValueError):
        return False


### END IF
def reason(printed: str, status: int) -> str:
    """Why infer.py failed, in one line, from what it printed."""
    last = (printed.strip().splitlines() or [f"it printed nothing and ended with exit status {status}"])[-1].strip()
    kind, _, todo = last.partition(": ")
    if kind == "NotImplementedError" and todo.startswith("TODO 6"):
        return f"infer.py is not written yet (part 6, {todo}), and samples come from it"
    if kind == "NotImplementedError":
        return f"{todo or 'a TODO'} of scheduler.py is not done yet, and infer.py needs it"
    return f"infer.py failed: {last.removeprefix('infer.py: ')[:200]}"
