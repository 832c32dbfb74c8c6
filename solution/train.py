"""Training: Algorithm 1 of the DDPM paper (arXiv 2006.11239) in a loop, with your scheduler.

    ### IF v_prediction
    python train.py --prediction-type v_prediction --out runs/v
    python train.py --prediction-type v_prediction --out runs/v --resume     goes on where it was stopped
    python train.py --prediction-type v_prediction --out runs/v --minutes 5  as many steps as fit into five minutes
    ### ELSE python train.py --out runs/epsilon
    ### ELSE python train.py --out runs/epsilon --resume     goes on where it was stopped
    ### ELSE python train.py --out runs/epsilon --minutes 5  as many steps as fit into five minutes
    ### END IF

The algorithm itself is `Run.advance`, whose numbers are the lines of the paper's box. Everything random there comes
from four generators, one each for weights, batches, t and noise, and all four are on the CPU: two runs with one seed
see the same digits, timesteps and noise, on every device, whatever the scheduler between them draws. --out receives

    model.safetensors   the checkpoint: averaged weights, and how to rebuild network and scheduler
    ### IF infer
    samples.png         64 samples by your own infer.py, always from the same noise; until it is there, a line says
                        which TODO they wait for, and training goes on
    ### END IF
    loss.csv, loss.png  the loss of every step, and its curve (the curve needs matplotlib)
    resume.safetensors  all that --resume needs; with Ctrl-C, too, all of these are written

--resume takes the same other options as before, so that one command line serves for both.
"""

import argparse
import functools
import math
import signal
import sys
import threading
import time
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

### IF flow
import data
import saving
from scheduler import DDPMScheduler, FlowMatchScheduler
from unet import UNet

### ELSE import data
### ELSE import saving
### ELSE from scheduler import DDPMScheduler
### ELSE from unet import UNet
### ELSE
### END IF
### IF v_prediction
### IF flow
PREDICTION_TYPES = ("epsilon", "v_prediction", "flow")
### ELSE PREDICTION_TYPES = ("epsilon", "v_prediction")
### END IF
### ELSE PREDICTION_TYPES = ("epsilon",)
### END IF
BETA_SCHEDULES = ("linear", "scaled_linear", "cosine")
TIMESTEPS = ("log_snr", "uniform")
### IF T1000
SCHEDULE = {"num_train_timesteps": 1000, "beta_start": 1e-4, "beta_end": 0.02}
### ELSE SCHEDULE = {"num_train_timesteps": {T}, "beta_start": {beta_start}, "beta_end": {beta_end}}
### END IF
LOG_SNR_MEAN, LOG_SNR_DEVIATION = -1.0, 1.8  # around which it is decided what digit it becomes
LEAST_ALPHA_BAR = 0.1  # the less of the image is in x_t below this, the less a loss counts
LEARNING_RATE = 4e-3
SIZES = {"cpu": (20_000, 32), "cuda": (10_000, 256), "mps": (20_000, 32)}  # steps, and digits in a step
### IF guidance
CLASSES, UNLABELLED = 10, 0.1  # labels of the digits, and how many of them are dropped
### END IF
SAVE_SECONDS, SAVE_SHARE = 60, 0.05  # at least so long between two saves; the share of the time that they may take
TRIAL = 20  # steps whose time says how long the others take, after as many to warm up


class WrongLoss(ValueError):
    """What the student's `loss` returned is not one number for each image."""


class Run:
    """A training run: all that changes from step to step, so that it can be saved and taken up again (saving.py).

    settings  {"scheduler": arguments of DDPMScheduler, "unet": arguments of UNet, "steps", "batch_size", "seed",
              "timesteps": one of TIMESTEPS, "precision": "float32" or "bfloat16"}; all of it JSON
    images    uint8 (N, 1, 28, 28)
    device    a torch device; all the images go there
    compile   whether the network runs through torch.compile
    ### IF guidance
    Of a network that is told them, `labels`, int64 (N,) on that device, are set after it is made.
    ### END IF
    """

    ### IF guidance
    labels = None

    ### END IF
    def __init__(self, settings, images, device="cpu", compile=False):
        self.settings, self.device, self.step = settings, torch.device(device), 0
        ### IF flow
        kind = FlowMatchScheduler if settings["scheduler"]["prediction_type"] == "flow" else DDPMScheduler
        self.scheduler = kind(**settings["scheduler"])
        ### ELSE self.scheduler = DDPMScheduler(**settings["scheduler"])
        ### END IF
        T = settings["scheduler"]["num_train_timesteps"]
        self.chances, weights = chances_and_weights(self.scheduler, settings["timesteps"], T)
        self.weights = weights.to(self.device)
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
        self.batches, self.times, self.noises = (torch.Generator().manual_seed(seed + 1 + index) for index in range(3))
        self.images = images.to(self.device)  # all of them, as bytes: no loader, no copying between devices
        self.losses = torch.zeros(settings["steps"], device=self.device)

    def advance(self):
        """One turn of Algorithm 1's loop; the paper's t = 1 ... T is our index 0 ... T-1."""
        B = self.settings["batch_size"]
        chosen = torch.randint(len(self.images), (B,), generator=self.batches).to(self.device)
        x0 = self.images[chosen].float() / 127.5 - 1  # 2: x_0 ~ q(x_0), in [-1, 1]
        # 3: t ~ Uniform({1, ..., T}) in the paper; here, by default, most often where the network can still learn
        t = torch.multinomial(self.chances, B, replacement=True, generator=self.times).to(self.device)
        noise = torch.randn(x0.shape, generator=self.noises).to(self.device)  # 4: epsilon ~ N(0, I)
        ### IF guidance
        network = self.network
        if self.labels is not None:  # some are dropped, so that the network learns to do without, too (handout 8.2)
            dropped = (torch.rand(B, generator=self.batches) < UNLABELLED).to(self.device)
            labels = torch.where(dropped, CLASSES, self.labels[chosen])
            network = functools.partial(network, labels=labels)
        losses = self.scheduler.loss(network, x0, noise, t)  # yours, handout 5.1
        ### ELSE losses = self.scheduler.loss(self.network, x0, noise, t)  # yours, handout 5.1
        ### END IF
        if not isinstance(losses, torch.Tensor) or losses.shape != (B,):  # mean() would hide it
            got = f"the shape {tuple(losses.shape)}" if isinstance(losses, torch.Tensor) else type(losses).__name__
            raise WrongLoss(f"loss of scheduler.py must return one number for each digit, ({B},), not {got}")
        loss = (self.weights[t] * losses).mean()
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.step, self.settings["steps"])
        self.optimizer.step()  # 5: a gradient step
        self.ema.update_parameters(self.model)
        self.losses[self.step] = loss.detach()
        self.step += 1

    def network(self, x_t, t, **labels):
        """The network's float32 output. Only it runs in the chosen precision, not the scheduler's arithmetic."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.settings["precision"] == "bfloat16"):
            return self.forward(x_t, t, **labels).float()


def chances_and_weights(scheduler, timesteps, T):
    """How often each t is drawn, and how much its loss counts: (T,) float64 and float32. Handout 5.2.

    timesteps  "uniform": as in the paper, all t alike, and each loss counts once
               "log_snr": nine in ten t are such that log(alpha-bar / (1 - alpha-bar)) is normally distributed (as the
               noise levels of EDM, arXiv 2206.00364, table 1), one in ten is uniform. A loss counts less where x_t has
               little of the image, and that of epsilon as that of v: an error in epsilon is sqrt(alpha-bar) times one
               in v.
    ValueError when alphas_cumprod is not between 0 and 1.
    """
    uniform = torch.full((T,), 1 / T, dtype=torch.float64)
    if timesteps == "uniform":
        return uniform, torch.ones(T)
    alpha_bar = scheduler.alphas_cumprod.double()
    ### IF flow
    if isinstance(scheduler, FlowMatchScheduler):
        alpha_bar = share_of_the_image(scheduler, T)
    ### END IF
    if not ((alpha_bar > 0) & (alpha_bar < 1)).all():
        raise ValueError("alphas_cumprod of scheduler.py must lie between 0 and 1 at every t (handout 1.4)")
    log_snr = torch.logit(alpha_bar)
    density = torch.exp(-(((log_snr - LOG_SNR_MEAN) / LOG_SNR_DEVIATION) ** 2) / 2)
    chances = density * torch.gradient(log_snr)[0].abs()  # of an interval of log SNR around each t
    chances = 0.9 * chances / chances.sum() + 0.1 * uniform
    weights = (alpha_bar / LEAST_ALPHA_BAR).clamp(max=1)
    if scheduler.prediction_type == "epsilon":
        weights = weights / alpha_bar
    return chances, weights.float()


### IF flow
def share_of_the_image(scheduler, T):
    """What alpha-bar is where x_t has other weights: the square of the image's, as a share of both; above 0 at T-1."""
    ends, t = torch.eye(2, dtype=torch.float64).view(2, 2, 1, 1, 1, 1).expand(2, 2, T, 1, 1, 1), torch.arange(T)
    image, noise = (scheduler.add_noise(*pair, t).flatten().square() for pair in ends)
    return (image / (image + noise)).clamp(1e-6, 1 - 1e-6)


### END IF
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
    tell = functools.cache(functools.partial(console.print, soft_wrap=True))  # each line once
    bar = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    first, started = run.step, time.perf_counter()
    saved, pause, warm, done = started, SAVE_SECONDS, started, first == steps
    with Progress(*bar, console=console) as progress:
        task = progress.add_task("", total=steps, completed=first)
        while not done:
            run.advance()
            done = run.step == steps or stop.is_set()
            if run.step % TRIAL and not done:
                continue  # reading the loss makes a GPU wait, so it is read rarely
            loss = run.losses[max(0, run.step - 100) : run.step].mean().item()
            if not math.isfinite(loss):
                raise FloatingPointError(
                    ### IF v_prediction
                    f"the loss is {loss} at step {run.step}: look at add_noise, get_velocity and loss"
                    ### ELSE f"the loss is {loss} at step {run.step}: look at add_noise and loss"
                    ### END IF
                )
            now = time.perf_counter()
            if run.step - first == TRIAL:
                warm = now
            if run.step - first == 2 * TRIAL:
                minutes = (steps - run.step) * (now - warm) / TRIAL / 60
                size = f"{steps:,} steps of {run.settings['batch_size']} digits"
                ### IF mnist
                console.print(f"About {minutes:,.1f} minutes for {size}; checkpoints/README.md says what to expect.")
                ### ELSE console.print(f"About {minutes:,.1f} minutes for {size}.")
                ### END IF
            speed = (run.step - first) * run.settings["batch_size"] / (now - started)
            said = f"loss {loss:.4f}  {speed:,.0f} images/s"
            progress.update(task, completed=run.step, description=said)
            if done or now - saved > pause:
                saving.write_all(run, out, tell)
                saved = time.perf_counter()
                pause = max(SAVE_SECONDS, (saved - now) / SAVE_SHARE)  # drawing samples takes long on a slow machine
                console.print(f"step {run.step} of {steps}, {(saved - started) / 60:.1f} min: {said}")
    console.print(f"What the run has made is in {out}/.")
    if run.step < steps:
        console.print(f"Stopped at step {run.step} of {steps}; the same command with --resume goes on.")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n\n")[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--prediction-type", choices=PREDICTION_TYPES, default="epsilon")
    parser.add_argument("--beta-schedule", choices=BETA_SCHEDULES, default="linear")
    devices = "auto is cuda where there is one, else cpu; mps has not been measured"
    parser.add_argument("--device", choices=("auto", "cpu", "cuda", "mps"), default="auto", help=devices)
    precisions = "of the network; auto is bfloat16 where the processor or card computes in it, else float32"
    parser.add_argument("--precision", choices=("auto", "float32", "bfloat16"), default="auto", help=precisions)
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--steps", type=positive, help=f"gradient steps; {SIZES['cpu'][0]}, on cuda {SIZES['cuda'][0]}")
    length.add_argument("--minutes", type=duration, help="about so long, instead of a number of steps")
    batch_sizes = f"digits in a step; {SIZES['cpu'][1]}, on cuda {SIZES['cuda'][1]}"
    parser.add_argument("--batch-size", type=positive, help=batch_sizes)
    drawn = "how t is drawn: log_snr mostly where the network can still learn, uniform as in the paper"
    parser.add_argument("--timesteps", choices=TIMESTEPS, default="log_snr", help=drawn)
    ### IF guidance
    parser.add_argument("--labels", action="store_true", help="tell the network each digit, but for one in ten")
    ### END IF
    parser.add_argument("--seed", type=whole, default=0, help="of weights, batches, t and noise")
    ### IF mnist
    parser.add_argument("--data", default="auto", help="auto, mnist, digits5k or a path")
    ### ELSE parser.add_argument("--data", default="auto", help="auto, {data}, digits5k or a path")
    ### END IF
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
    return 0 if run.step == run.settings["steps"] else 130  # 130: what a shell expects of a program stopped by Ctrl-C


def set_up(options):
    """The run that the options describe, and a line about its digits. ValueError or OSError for what cannot be."""
    device = options.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    elif device != "cpu" and not getattr(torch, device).is_available():
        raise ValueError(f"this machine has no {device} device")
    precision = precision_on(device) if options.precision == "auto" else options.precision
    ### IF guidance
    images, labels, line = data.labelled(options.data)
    ### ELSE images, line = data.load(options.data)
    ### END IF
    schedule = {"prediction_type": options.prediction_type, "beta_schedule": options.beta_schedule, **SCHEDULE}
    ### IF flow
    if options.prediction_type == "flow":  # which has no betas
        schedule = {name: schedule[name] for name in ("prediction_type", "num_train_timesteps")}
    ### END IF
    steps, batch_size = SIZES[device]
    settings = {"steps": options.steps or steps, "batch_size": options.batch_size or batch_size, "seed": options.seed}
    settings |= {"scheduler": schedule, "unet": {}, "timesteps": options.timesteps, "precision": precision}
    settings |= {"digits": len(images)}
    ### IF guidance
    settings["unet"] = {"num_classes": CLASSES} if options.labels else {}
    ### END IF
    state = options.out / "resume.safetensors"
    if options.minutes and options.resume:
        settings["steps"] = saving.read(state)[0]["steps"]
    elif options.minutes:
        settings["steps"] = steps_in(60 * options.minutes, Run(settings, images, device, options.compile))
    run = Run(settings, images, device, options.compile)
    ### IF guidance
    if options.labels:
        run.labels = labels.long().to(run.device)
    ### END IF
    if options.resume:
        saving.load(run, state)
    return run, line


def steps_in(seconds, run):
    """How many steps fit into so many seconds: some of this run are timed."""
    for _ in range(TRIAL):
        run.advance()
    run.losses[0].item()  # a GPU is done with these
    started = time.perf_counter()
    for _ in range(TRIAL):
        run.advance()
    run.losses[0].item()
    return max(1, round(seconds * TRIAL / (time.perf_counter() - started)))


def precision_on(device):
    """bfloat16 where the processor or card computes in it (a T4 only imitates it, and slowly), else float32."""
    if device == "cpu":
        able = getattr(torch.cpu, "get_capabilities", dict)()  # torch 2.9 and later know
        native = able.get("avx512_bf16") or able.get("amx_bf16")
    else:
        native = device == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return "bfloat16" if native else "float32"


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


def duration(text):
    """Minutes, more than none and at most a week."""
    if not 0 < float(text) < 7 * 24 * 60:
        raise ValueError
    return float(text)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except NotImplementedError as todo:
        sys.exit(f"train.py: {todo} of scheduler.py is not done yet, and training needs it")
    except (FloatingPointError, WrongLoss) as error:
        sys.exit(f"train.py: {error}")
