"""Training: Algorithm 1 of the DDPM paper (arXiv 2006.11239) in a loop, with your scheduler.

    python train.py --prediction-type v_prediction --out runs/v
    python train.py --prediction-type v_prediction --out runs/v --resume     goes on where it was stopped

The algorithm itself is `Run.advance`, whose numbers are the lines of the paper's box. Everything random there comes
from four generators, one each for weights, batches, t and noise: two runs with one seed see the same digits, timesteps
and noise, whatever the scheduler between them draws. The folder --out receives

    model.safetensors   the checkpoint: averaged weights, and how to rebuild network and scheduler
    samples.png         64 samples by your own DDIM in 50 steps, always from the same noise
    loss.csv, loss.png  the loss of every step, and its curve (the curve needs matplotlib)
    resume.safetensors  all that --resume needs; with Ctrl-C, too, all of these are written

Precision is float32 on a CPU and bfloat16 autocast on a GPU. --device mps exists and has not been measured.
"""

import argparse
import io
import json
import math
import os
import signal
import sys
import threading
import time
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torchvision.utils import save_image

import data
from evaluate import sample
from scheduler import BETA_SCHEDULES, PREDICTION_TYPES, DDIMScheduler, DDPMScheduler
from unet import UNet

SCHEDULE = {"num_train_timesteps": 1000, "beta_start": 1e-4, "beta_end": 0.02}
LEARNING_RATE = 2e-3
SAVE_SECONDS = 60  # so often, and at the end, everything is written


def loss_of(model, scheduler, x0, t, noise):
    """How far the network is from what it should say about x_t: line 5 of Algorithm 1, before the gradient.

    x0     (B, 1, 28, 28), digits in [-1, 1]
    t      (B,) int64, a timestep for every digit
    noise  (B, 1, 28, 28), standard normal
    Returns the mean squared error over all pixels, 0-d. ValueError when the scheduler returns another shape than x0's,
    which mean squared error would stretch to fit.
    """
    x_t = scheduler.add_noise(x0, noise, t)
    target = noise if scheduler.prediction_type == "epsilon" else scheduler.get_velocity(x0, noise, t)
    if x_t.shape != x0.shape or target.shape != x0.shape:
        got = f"{tuple(x_t.shape)} and {tuple(target.shape)}"
        raise ValueError(f"x_t and the target must have the shape of x_0, {tuple(x0.shape)}; got {got}")
    return F.mse_loss(model(x_t, t), target)


class Run:
    """A training run: all that changes from step to step, so that `save` can write it and `load` bring it back.

    settings  {"scheduler": arguments of DDPMScheduler, "unet": arguments of UNet, "steps", "batch_size", "seed",
              "precision": "float32" or "bfloat16"}; all of it JSON
    images    uint8 (N, 1, 28, 28)
    device    a torch device; all the images go there
    compile   whether the network runs through torch.compile
    """

    def __init__(self, settings, images, device="cpu", compile=False):
        self.settings, self.device, self.step = settings, torch.device(device), 0
        self.scheduler = DDPMScheduler(**settings["scheduler"])
        self.ddim = DDIMScheduler(**settings["scheduler"])
        seed = 4 * settings["seed"]
        with torch.random.fork_rng(devices=[]):  # layers draw their weights from the global generator: lend it a seed
            torch.default_generator.manual_seed(seed)
            self.model = UNet(**settings["unet"])
        layout = torch.channels_last if self.device.type == "cuda" else torch.contiguous_format
        self.model.to(self.device, memory_format=layout)
        self.forward = torch.compile(self.model) if compile else self.model
        self.optimizer = torch.optim.AdamW(self.model.parameters(), betas=(0.9, 0.99), fused=True)
        # The average looks back over a twentieth of the run, so that it follows a short run as well as a long one.
        decay = 1 - min(0.5, 20 / settings["steps"])
        self.ema = AveragedModel(self.model, multi_avg_fn=get_ema_multi_avg_fn(decay))
        self.batches, self.times, self.noises = (
            torch.Generator(self.device).manual_seed(seed + 1 + index) for index in range(3)
        )
        self.images = images.to(self.device)  # all of them, as bytes: no loader, no copying between devices
        self.losses = torch.zeros(settings["steps"], device=self.device)

    def advance(self):
        """One turn of Algorithm 1's loop; the paper's t = 1 ... T is our index 0 ... T-1."""
        B, T = self.settings["batch_size"], self.scheduler.num_train_timesteps
        chosen = torch.randint(len(self.images), (B,), generator=self.batches, device=self.device)
        x0 = self.images[chosen].float() / 127.5 - 1  # 2: x_0 ~ q(x_0), in [-1, 1]
        t = torch.randint(T, (B,), generator=self.times, device=self.device)  # 3: t ~ Uniform({1, ..., T})
        noise = torch.randn(x0.shape, generator=self.noises, device=self.device)  # 4: epsilon ~ N(0, I)
        loss = loss_of(self.network, self.scheduler, x0, t, noise)
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.step, self.settings["steps"])
        self.optimizer.step()  # 5: a gradient step
        self.ema.update_parameters(self.model)
        self.losses[self.step] = loss.detach()
        self.step += 1

    def network(self, x_t, t):
        """The network's float32 output. Only it runs in the chosen precision, not the scheduler's arithmetic."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.settings["precision"] == "bfloat16"):
            return self.forward(x_t, t).float()

    def save(self, path):
        """Write the state: tensors and JSON, nothing pickled."""
        tensors = {f"model.{name}": value for name, value in self.model.state_dict().items()}
        tensors |= {f"ema.{name}": value for name, value in self.ema.state_dict().items()}
        for index, moments in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{name}": value for name, value in moments.items()}
        tensors |= {name: getattr(self, name).get_state() for name in ("batches", "times", "noises")}
        tensors["losses"] = self.losses[: self.step]
        write(path, save(tensors, {"settings": json.dumps(self.settings), "step": str(self.step)}))

    def load(self, path):
        """Take over a saved state. ValueError unless it is one, and of a run with these settings."""
        try:
            with safe_open(path, framework="pt") as file:
                notes = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}
        except FileNotFoundError:
            raise ValueError(f"nothing to resume: there is no {path}") from None
        except SafetensorError as error:
            raise ValueError(f"{path} is not a resume state: {error}") from None
        if "settings" not in notes:
            raise ValueError(f"{path} is not a resume state")
        for key, value in json.loads(notes["settings"]).items():
            if self.settings[key] != value:
                raise ValueError(f"{path} is of a run with {key} = {value}, not {self.settings[key]}")
        self.model.load_state_dict(under("model.", tensors))
        self.ema.load_state_dict(under("ema.", tensors))
        moments = {index: under(f"optimizer.{index}.", tensors) for index, _ in enumerate(self.model.parameters())}
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": moments})
        for name in ("batches", "times", "noises"):
            getattr(self, name).set_state(tensors[name])
        self.step = int(notes["step"])
        self.losses[: self.step] = tensors["losses"]

    def checkpoint(self):
        """The checkpoint, as bytes of a safetensors file: averaged weights, and JSON under the key "config"."""
        config = {"unet": self.settings["unet"], **self.settings["scheduler"]}
        weights = {name: value.contiguous() for name, value in self.ema.module.state_dict().items()}
        return save(weights, {"config": json.dumps(config)})


def under(prefix, tensors):
    """The tensors whose names begin with `prefix`, without it."""
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def learning_rate(step, steps):
    """Up in a straight line during the first twentieth of the run, then down to 0 along half a cosine."""
    rise = max(1, steps // 20)
    if step < rise:
        return LEARNING_RATE * (step + 1) / rise
    return LEARNING_RATE * (1 + math.cos(math.pi * (step - rise) / (steps - rise))) / 2


def train(run, out, stop):
    """Turn the loop until the run's last step, or until the event `stop` is set; write everything now and then.

    FloatingPointError when the loss is no longer a number.
    """
    steps = run.settings["steps"]
    console = Console(highlight=False)
    bar = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    first, started = run.step, time.perf_counter()
    saved, done = started, first == steps
    with Progress(*bar, console=console) as progress:
        task = progress.add_task("", total=steps, completed=first)
        while not done:
            run.advance()
            done = run.step == steps or stop.is_set()
            if run.step % 20 and not done:
                continue  # reading the loss makes a GPU wait, so it is read rarely
            loss = run.losses[max(0, run.step - 100) : run.step].mean().item()
            if not math.isfinite(loss):
                raise FloatingPointError(f"the loss is {loss} at step {run.step}: look at add_noise and get_velocity")
            now = time.perf_counter()
            speed = (run.step - first) * run.settings["batch_size"] / (now - started)
            said = f"loss {loss:.4f}  {speed:,.0f} images/s"
            progress.update(task, completed=run.step, description=said)
            if done or now - saved > SAVE_SECONDS:
                write_all(run, out, console)
                saved = time.perf_counter()
                console.print(f"step {run.step} of {steps}, {(saved - started) / 60:.1f} min: {said}")
    if run.step < steps:
        console.print(f"Stopped at step {run.step} of {steps}; the same command with --resume goes on.")


def write_all(run, out, console):
    """Write the files of the folder `out`, each at once or not at all."""
    run.save(out / "resume.safetensors")
    write(out / "model.safetensors", run.checkpoint())
    losses = run.losses[: run.step].tolist()
    write(out / "loss.csv", "".join(["step,loss\n", *(f"{i},{x:.6f}\n" for i, x in enumerate(losses, 1))]).encode())
    try:
        write(out / "loss.png", curve(losses, f"{run.scheduler.prediction_type}, seed {run.settings['seed']}"))
    except ImportError:
        console.print("loss.png is left out: matplotlib is not installed")
    try:
        noise = torch.randn(64, 1, 28, 28, generator=torch.Generator().manual_seed(0)).to(run.device)
        images = sample(run.ema.module, run.ddim, noise)
        png = io.BytesIO()
        save_image((images + 1) / 2, png, format="png", nrow=8)
        write(out / "samples.png", png.getvalue())
    except NotImplementedError as todo:
        console.print(f"samples.png is left out: {todo} of scheduler.py is not done yet")
    except Exception as error:  # a mistake in the sampler must not end a training that needs no sampler
        console.print(f"samples.png is left out: the sampler raised {type(error).__name__}: {error}")


def curve(losses, title):
    """The loss of every step, and its mean over a hundredth of the run, as the bytes of a PNG."""
    from matplotlib.figure import Figure

    width = max(1, len(losses) // 100)
    means = torch.tensor(losses)[: len(losses) // width * width].view(-1, width).mean(1)
    figure = Figure(figsize=(6, 3.5), layout="constrained")
    axes = figure.subplots()
    axes.plot(losses, color="0.8", linewidth=0.5)
    axes.plot(torch.arange(1, len(means) + 1) * width, means)
    axes.set(xlabel="step", ylabel="mean squared error", yscale="log", title=title)
    png = io.BytesIO()
    figure.savefig(png, format="png", dpi=120)
    return png.getvalue()


def write(path, content):
    """Write bytes so that nobody ever reads half of them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_name(path.name + ".part")
    half.write_bytes(content)
    os.replace(half, path)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--prediction-type", choices=PREDICTION_TYPES, default="epsilon")
    parser.add_argument("--beta-schedule", choices=BETA_SCHEDULES, default="linear")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda", "mps"), default="auto")
    parser.add_argument("--precision", choices=("auto", "float32", "bfloat16"), default="auto")
    parser.add_argument("--steps", type=positive, default=5000)
    parser.add_argument("--batch-size", type=positive, default=64)
    parser.add_argument("--seed", type=whole, default=0)
    parser.add_argument("--data", default="auto", help="auto, mnist, digits5k or a path")
    parser.add_argument("--out", type=Path, default=Path("run"), help="folder for what is written")
    parser.add_argument("--resume", action="store_true", help="go on with the run in --out")
    parser.add_argument("--compile", action="store_true", help="torch.compile the network: slow start, faster steps")
    options = parser.parse_args()
    try:
        run, line = set_up(options)
    except (ValueError, OSError) as error:
        sys.exit(f"train.py: {error}")
    stop = stop_signal()
    print(f"Training on {line}; {run.device}, {run.settings['precision']}", flush=True)
    train(run, options.out, stop)
    return 0 if run.step == options.steps else 130  # 130: what a shell expects of a program stopped by Ctrl-C


def set_up(options):
    """The run that the options describe, and a line about its digits. ValueError or OSError for what cannot be."""
    device = options.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    elif device != "cpu" and not getattr(torch, device).is_available():
        raise ValueError(f"this machine has no {device} device")
    precision = options.precision
    if precision == "auto":
        precision = "bfloat16" if device == "cuda" else "float32"
    images, line = data.load(options.data)
    schedule = {"prediction_type": options.prediction_type, "beta_schedule": options.beta_schedule, **SCHEDULE}
    settings = {key: getattr(options, key) for key in ("steps", "batch_size", "seed")}
    settings |= {"scheduler": schedule, "unet": {}, "precision": precision, "digits": len(images)}
    run = Run(settings, images, device, options.compile)
    if options.resume:
        run.load(options.out / "resume.safetensors")
    return run, line


def stop_signal():
    """An event that Ctrl-C (or SIGTERM, as clusters send) sets; the loop then ends with a whole step, and saves."""
    stop = threading.Event()

    def handle(number, frame):
        stop.set()
        signal.signal(number, signal.SIG_DFL)  # the second Ctrl-C ends the program at once

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, handle)
    return stop


def whole(text):
    """A whole number from 0 on, as argparse reads it."""
    if not 0 <= int(text) < 2**32:
        raise ValueError
    return int(text)


def positive(text):
    """The same from 1 on."""
    return whole(text) or whole("none")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except NotImplementedError as todo:
        sys.exit(f"train.py: {todo} of scheduler.py is not done yet, and training needs it")
    except FloatingPointError as error:
        sys.exit(f"train.py: {error}")
