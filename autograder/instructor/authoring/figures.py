"""Draw the handout's figures into figures/, from the reference, real digits and the two checkpoints, and that of the
checkpoints' page beside them.

    make figures        # a few minutes on a CPU

Nothing in them is chosen by hand: run this again when the checkpoints change. Curves differ in colour (Okabe and Ito's,
which colour-blind readers tell apart) and in dashes (for grey print), and carry their names beside them. A figure says
nothing but symbols, numbers and names of the code: the same one stands in the handout of every language.
"""

from __future__ import annotations

import csv
import functools
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from matplotlib.figure import Figure
from rich.progress import track
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from ... import networks
from ...look import plane
from ...paths import ROOT
from . import patches

sys.path.insert(0, str(ROOT / "solution"))
import classifier
import data
import train
from scheduler import BETA_SCHEDULES, PREDICTION_TYPES, DDIMScheduler, DDPMScheduler, FlowMatchScheduler

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from matplotlib.axes import Axes


FOLDER = ROOT / "figures"
CHECKPOINTS = ROOT / "solution" / "checkpoints"
WIDTH, DPI = 7.2, 175  # inches and dots per inch: more pixels than GitHub shows, for sharp screens and for print
STYLES = {  # one colour and one dash each for up to three curves
    "linear": ("#0072B2", "-"),
    "scaled_linear": ("#D55E00", (0, (5, 2))),
    "cosine": ("#009E73", (0, (1, 1.2))),
}
NETWORKS = {"epsilon": STYLES["linear"], "v_prediction": STYLES["scaled_linear"]}
TEXT = {"fontsize": 9}
TIMES = [0, *range(19, 1000, 20)]
EARLY = 1_000  # steps of a network that has not learned much
FIVE = 0  # the first of the digits that ship with the kit is a 5


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def network(prediction_type: str) -> tuple[torch.nn.Module, dict[str, Any]]:
    """(model, arguments of the scheduler it was trained with) of a shipped checkpoint."""
    return networks.load(CHECKPOINTS / f"{prediction_type}.safetensors")


@torch.inference_mode()
def sample(
    model: torch.nn.Module, scheduler: DDPMScheduler, steps: int, noise: torch.Tensor, seed: int = 0, **options: float
) -> Iterator[tuple[int, torch.Tensor, torch.Tensor]]:
    """Yield (t, x_t, x0_hat) before every step of `scheduler`, then (-1, the images, the images)."""
    scheduler.set_timesteps(steps)
    x, draws = noise, generator(seed)
    for t in scheduler.timesteps.tolist():
        output = model(x, torch.full((len(x),), t))
        yield t, x, scheduler.predict(output, t, x)[0]
        x = scheduler.step(output, t, x, generator=draws, **options)
    yield -1, x, x


def finished(*arguments: Any, **options: float) -> torch.Tensor:
    """The images that a run of `sample` ends with."""
    *_, (_, images, _) = sample(*arguments, **options)
    return images


def mosaic(rows: Iterable[Iterable[torch.Tensor | None]], gap: int = 3) -> np.ndarray:
    """One grey picture of a list of rows of (1, 28, 28) images; None in a row leaves a wider gap."""
    height = 28 + gap
    lines = []
    for row in rows:
        cells = [np.full((height, 4 * gap), 1.0) if image is None else framed(image, gap) for image in row]
        lines.append(np.concatenate(cells, axis=1))
    return np.concatenate(lines)


def framed(image: torch.Tensor, gap: int) -> np.ndarray:
    """An image in [-1, 1] with white at its right and lower edge."""
    return np.pad(image[0].clamp(-1, 1).numpy(), ((0, gap), (0, gap)), constant_values=1.0)


def show(axes: Axes, picture: np.ndarray) -> None:
    axes.imshow(picture, cmap="gray", vmin=-1, vmax=1, interpolation="nearest")
    axes.set_axis_off()


def strip(picture: np.ndarray, left: float = 0.0, top: float = 0.0, bottom: float = 0.0) -> tuple[Figure, Axes]:
    """A figure that holds one picture, with room for words around it, in inches."""
    height, width = picture.shape
    inches = (WIDTH - left) * height / width
    figure = Figure(figsize=(WIDTH, inches + top + bottom), dpi=DPI)
    whole = inches + top + bottom
    axes = figure.add_axes((left / WIDTH, bottom / whole, 1 - left / WIDTH, inches / whole))
    show(axes, picture)
    return figure, axes


# ----- the figures, one function each ---------------------------------------------------------------------------------


def samples() -> Figure:
    """36 digits, as the picture that opens the handout."""
    model, settings = network("v_prediction")
    images = finished(model, DDIMScheduler(**settings), 50, torch.randn(36, 1, 28, 28, generator=generator()))
    return strip(mosaic(images.split(18)))[0]


def noising() -> Figure:
    """One digit at eleven timesteps of the three schedules."""
    times = torch.tensor([0, *range(99, 1000, 100)])
    digit = digits()[FIVE].expand(len(times), -1, -1, -1)
    noise = torch.randn(1, 1, 28, 28, generator=generator()).expand_as(digit)
    schedulers = [DDPMScheduler(beta_schedule=name) for name in BETA_SCHEDULES]
    gap = 10  # room for a line of numbers
    picture = mosaic([scheduler.add_noise(digit, noise, times) for scheduler in schedulers], gap)
    figure, axes = strip(picture, left=0.95, top=0.25)
    for column, t in enumerate(times.tolist()):
        middle = column * (28 + gap) + 13.5
        axes.text(middle, -2.5, f"t = {t}" if column == 0 else f"{t}", ha="center", va="bottom", **TEXT)
        for row, scheduler in enumerate(schedulers):
            below = (row + 1) * (28 + gap) - gap + 0.5
            axes.text(middle, below, f"{scheduler.alphas_cumprod[t]:.3f}", ha="center", va="top", fontsize=7.5)
    for row, name in enumerate(BETA_SCHEDULES):
        axes.text(-3, row * (28 + gap) + 13.5, name, ha="right", va="center", **TEXT)
    axes.text(-3, 28.5, "$\\bar\\alpha_t$", ha="right", va="top", fontsize=7.5)
    return figure


def schedules() -> Figure:
    """beta, alpha-bar and the signal-to-noise ratio of the three schedules."""
    figure = Figure(figsize=(WIDTH, 2.4), dpi=DPI, layout="constrained")
    panels = figure.subplots(1, 3)
    for name, (color, dashes) in STYLES.items():
        scheduler = DDPMScheduler(beta_schedule=name)
        alpha_bar = scheduler.alphas_cumprod.double()
        curves = (scheduler.betas, alpha_bar, alpha_bar / (1 - alpha_bar))
        for axes, curve in zip(panels, curves, strict=True):
            axes.plot(curve, color=color, linestyle=dashes, linewidth=1.8)
    titles = ("$\\beta_t$", "$\\bar\\alpha_t$", "$\\bar\\alpha_t\\,/\\,(1 - \\bar\\alpha_t)$")
    for axes, title, scale in zip(panels, titles, ("log", "linear", "log"), strict=True):
        axes.set(title=title, yscale=scale, xlabel="t", xlim=(0, 999))
        plain(axes)
    panels[0].set_ylim(5e-5, 1.5)
    figure.legend(panels[0].lines, STYLES, loc="outside upper center", ncols=3, frameon=False, handlelength=3.5, **TEXT)
    return figure


def denoising() -> Figure:
    """One digit on its way out of the noise: x_t and, below it, what the network makes of it."""
    model, settings = network("v_prediction")
    shown, columns = {999, 899, 799, 699, 599, 499, 399, 299, 199, 99, -1}, []
    for t, x, x0 in sample(model, DDPMScheduler(**settings), 1000, torch.randn(8, 1, 28, 28, generator=generator())):
        if t in shown:
            columns.append((t, x, x0))
    best = clearest(columns[-1][1])
    gap = 4
    rows = [[x[best] for _, x, _ in columns], [x0[best] for _, _, x0 in columns]]
    figure, axes = strip(mosaic(rows, gap), left=0.45, top=0.25)
    for column, (t, _, _) in enumerate(columns):
        title = {999: "t = 999", -1: ""}.get(t, t)
        axes.text(column * (28 + gap) + 13.5, -2.5, title, ha="center", va="bottom", **TEXT)
    for row, name in enumerate(("$x_t$", "$\\hat x_0$")):
        axes.text(-3, row * (28 + gap) + 13.5, name, ha="right", va="center", fontsize=11)
    return figure


@torch.inference_mode()
def clearest(images: torch.Tensor) -> torch.Tensor:
    """Which of the images the kit's classifier is surest of."""
    return classifier.load()[0](images).softmax(1).amax(1).argmax()


def steps_eta() -> Figure:
    """The same four beginnings through four samplers, in 5 to 1,000 steps."""
    model, settings = network("v_prediction")
    noise = torch.randn(4, 1, 28, 28, generator=generator(1))
    samplers = {
        "DDIM, $\\eta$ = 0": (DDIMScheduler, {}, {"eta": 0.0}),
        "DDIM, $\\eta$ = 0.5": (DDIMScheduler, {}, {"eta": 0.5}),
        "DDIM, $\\eta$ = 1,\nDDPM, fixed_small": (DDIMScheduler, {}, {"eta": 1.0}),
        "DDPM, fixed_large": (DDPMScheduler, {"variance_type": "fixed_large"}, {}),
    }
    all_steps, gap = (5, 10, 50, 1000), 3
    rows = []
    for kind, arguments, options in samplers.values():
        row = []
        for steps in all_steps:
            images = finished(model, kind(**settings, **arguments), steps, noise, **options)
            row += [*images, None]
        rows.append(row[:-1])
    figure, axes = strip(mosaic(rows, gap), left=1.35, top=0.25)
    group = 4 * (28 + gap) + 4 * gap
    for column, steps in enumerate(all_steps):
        axes.text(column * group + 2 * (28 + gap), -2.5, f"S = {steps:,}", ha="center", va="bottom", **TEXT)
    for row, name in enumerate(samplers):
        axes.text(-4, row * (28 + gap) + 13.5, name, ha="right", va="center", **TEXT)
    return figure


@torch.inference_mode()
def losses() -> Figure:
    """The loss of both networks at every twentieth timestep, and what it means for x0_hat."""
    figure = Figure(figsize=(WIDTH, 2.3), dpi=DPI, layout="constrained")
    panels = figure.subplots(1, 2)
    for kind in PREDICTION_TYPES:
        color, dashes = NETWORKS[kind]
        model, settings = network(kind)
        curves = zip(*(errors(model, DDPMScheduler(**settings, clip_sample=False), t) for t in TIMES), strict=True)
        for axes, curve in zip(panels, curves, strict=True):
            axes.plot(TIMES, curve, color=color, linestyle=dashes, linewidth=1.8, label=kind)
    epsilon, v, image = (f"$\\Vert \\hat {x} - {x} \\Vert^2 / 784$" for x in ("\\varepsilon", "v", "x_0"))
    for axes, title in zip(panels, (f"{epsilon},   {v}", image), strict=True):
        axes.set(title=title, yscale="log", xlabel="t", xlim=(0, 999))
        plain(axes)
        axes.legend(frameon=False, handlelength=3.5, **TEXT)
    return figure


@torch.inference_mode()
def errors(model: torch.nn.Module, scheduler: DDPMScheduler, t: int) -> tuple[float, float]:
    """(the mean loss of a network at t, the mean squared error of x0_hat) on 250 digits."""
    x0 = digits()[::20]
    noise, ts = torch.randn(x0.shape, generator=generator()), torch.full((len(x0),), t)
    x_t = scheduler.add_noise(x0, noise, ts)
    output = model(x_t, ts)
    loss = scheduler.loss(lambda *_: output, x0, noise, ts).mean()
    return loss.item(), (scheduler.predict(output, t, x_t)[0] - x0).square().mean().item()


def learning() -> Figure:
    """How far x0_hat is off after the first steps with uniform t, and at the end of a long run, over log(alpha-bar /
    (1 - alpha-bar)): between them lies what was left to learn. And how often each is drawn, in both ways of
    train.py."""
    figure = Figure(figsize=(WIDTH, 2.3), dpi=DPI, layout="constrained")
    panels = figure.subplots(1, 2)
    shipped, settings = network("v_prediction")
    scheduler = DDPMScheduler(**settings, clip_sample=False)
    log_snr = torch.logit(scheduler.alphas_cumprod.double())
    run = {
        "scheduler": train.SCHEDULE | settings,
        "unet": {},
        "steps": EARLY,
        "batch_size": train.SIZES["cpu"][1],
        "seed": 0,
    }
    early = train.Run(run | {"timesteps": "uniform", "precision": "float32"}, data.digits(data.DIGITS5K)[0])
    for _ in range(EARLY):
        early.advance()
    models = {f"{EARLY:,}": early.ema.module.eval(), f"{steps_of(CHECKPOINTS / 'v_prediction_loss.csv'):,}": shipped}
    curves = []
    for (steps, model), (color, dashes) in zip(models.items(), STYLES.values(), strict=False):
        curves.append([errors(model, scheduler, t)[1] for t in TIMES])
        panels[0].plot(log_snr[TIMES], curves[-1], color=color, linestyle=dashes, linewidth=1.8, label=steps)
    panels[0].fill_between(log_snr[TIMES], *curves, color="0.88")
    for drawn, (color, dashes) in zip(reversed(train.TIMESTEPS), STYLES.values(), strict=False):
        chances, _ = train.chances_and_weights(scheduler, drawn, len(log_snr))
        density = chances / torch.gradient(log_snr)[0].abs()
        panels[1].plot(log_snr, density, color=color, linestyle=dashes, linewidth=1.8, label=drawn)
    ratio = "\\log\\,(\\bar\\alpha_t / (1 - \\bar\\alpha_t))"
    for axes, title in zip(panels, ("$\\Vert \\hat x_0 - x_0 \\Vert^2 / 784$", f"$p\\,({ratio})$"), strict=True):
        axes.set(title=title, xlabel=f"${ratio}$", xlim=(9.2, -10.2), ylim=(0, None))
        plain(axes)
        axes.legend(frameon=False, handlelength=3.5, **TEXT)
    return figure


def curves() -> Figure:
    """What trainings of several lengths and seeds came to over CPU seconds, with train.py as it is and as it was."""
    figure = Figure(figsize=(WIDTH, 2.6), dpi=DPI, layout="constrained")
    panels = figure.subplots(1, 2)
    with open(CHECKPOINTS / "curves.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    kinds = list(dict.fromkeys((row["timesteps"], row["prediction_type"]) for row in rows))
    for drawn, kind, seed in dict.fromkeys((row["timesteps"], row["prediction_type"], row["seed"]) for row in rows):
        color, dashes = [*STYLES.values(), ("#CC79A7", "-.")][kinds.index((drawn, kind))]
        runs = [row for row in rows if (row["timesteps"], row["prediction_type"], row["seed"]) == (drawn, kind, seed)]
        label = f"{drawn}, {kind}" if seed == "0" else None
        for axes, column in zip(panels, ("confident", "frechet"), strict=True):
            found = [[float(row[name]) for row in runs] for name in ("cpu_seconds", column)]
            axes.plot(*found, "o", linestyle=dashes, color=color, markersize=3, linewidth=1.2, label=label)
    for axes, title in zip(panels, ("$\\max\\; p > 0.9$,  %", "FD"), strict=True):
        axes.set(title=title, xscale="log", xlabel="s")
        axes.set_xticks(seconds := (100, 300, 1000, 3000, 8000), map(str, seconds))
        axes.minorticks_off()
        plain(axes)
    panels[1].set(yscale="log")
    panels[1].set_yticks(distances := (8, 12, 20, 40, 80, 160), map(str, distances))
    panels[1].minorticks_off()
    panels[0].legend(frameon=False, handlelength=3, fontsize=7, loc="lower right")
    return figure


def steps_of(curve: Path) -> int:
    """How many steps a training took, from its curve."""
    return int(curve.read_text(encoding="utf-8").split()[-1].split(",")[0])


class Strip(NamedTuple):
    """What shows a known mistake.

    options   of infer.py
    settings  of the scheduler, beside those of the checkpoint
    """

    mistake: str
    options: tuple[str, ...] = ()
    checkpoint: str = "v_prediction"
    settings: Mapping[str, Any] = {}


STRIPS = (  # those of one look stand together
    Strip("predict_v_plus"),
    Strip("predict_noise_added", checkpoint="epsilon"),
    Strip("tables_no_product"),
    Strip("ddpm_mean_without_root", ("--scheduler", "ddpm")),
    Strip("ddim_direction_without_sigma", ("--eta", "1")),
    Strip("predict_type_ignored"),
    Strip("ddim_x0_weight_of_this_step"),
    Strip("infer_time_is_a_counter"),
    Strip("infer_time_rising"),
    Strip("ddim_direction_raw_output"),
    Strip("ddpm_noise_in_the_last_step", ("--scheduler", "ddpm"), settings={"variance_type": "fixed_large"}),
    Strip("ddim_direction_of_this_step"),
    Strip("linear_geometric"),
    Strip("ddpm_mean_of_the_raw_output", ("--scheduler", "ddpm")),
    Strip("ddpm_noise_shared", ("--scheduler", "ddpm")),
    Strip("infer_start_shared"),
    Strip("ddpm_no_noise", ("--scheduler", "ddpm")),
    Strip("posterior_one_step_alpha", ("--scheduler", "ddpm")),
    Strip("ddim_direction_without_epsilon"),
    Strip("infer_start_uniform"),
)


def symptoms() -> Figure:
    """What twenty known mistakes make of the same beginnings, numbered, and above them what is right."""
    rows = [drawn_by(patches.reference(), Strip("none"))]
    for strip in track(STRIPS, "Sampling", transient=True):
        rows.append(drawn_by(patches.load(patches.MISTAKES / f"{strip.mistake}.toml").files, strip))
    half = len(STRIPS) // 2
    height, width = mosaic(rows[:1]).shape
    inches = 0.45 * WIDTH * height / width
    figure = Figure(figsize=(WIDTH, (half + 1) * (inches + 0.06)), dpi=120)
    for index, row in enumerate(rows):
        column, line = (0, 0) if index == 0 else (divmod(index - 1, half)[0], 1 + (index - 1) % half)
        axes = figure.add_axes((column / 2 + 0.05, 1 - (line + 1) / (half + 1), 0.45, 1 / (half + 1) - 0.006))
        show(axes, mosaic([row]))
        axes.text(-4, height / 2, str(index) if index else "✓", ha="right", va="center", fontsize=8)
    return figure


def drawn_by(files: Mapping[str, bytes], strip: Strip) -> torch.Tensor:
    """Six images (6, 1, 28, 28) of a submission's infer.py, run as a program."""
    with tempfile.TemporaryDirectory() as folder:
        for name, content in {**files, "unet.py": (ROOT / "solution" / "unet.py").read_bytes()}.items():
            Path(folder, name).write_bytes(content)
        with safe_open(CHECKPOINTS / f"{strip.checkpoint}.safetensors", "pt") as file:
            config = json.loads(file.metadata()["config"]) | dict(strip.settings)
            weights = {name: file.get_tensor(name) for name in file.keys()}
        save_file(weights, Path(folder, "model.safetensors"), {"config": json.dumps(config)})
        command = [sys.executable, "infer.py", "--checkpoint", "model.safetensors", "--output", "grid.png"]
        command += ["--samples", "samples.safetensors", "--num-images", "6", "--seed", "4", *strip.options]
        subprocess.run(command, cwd=folder, check=True)
        return load_file(Path(folder, "samples.safetensors"))["samples"]


def straight() -> Figure:
    """Two paths as weights of image and noise; and ten steps along each, from the same points in the plane, by the best
    possible network for data on a spiral."""
    figure = Figure(figsize=(WIDTH, 2.55), dpi=DPI, layout="constrained")
    weights, *panels = figure.subplots(1, 3)
    spots = torch.from_numpy(plane.spiral(300, seed=0)[0])
    starts = torch.randn(400, 2, 1, 1, generator=generator(3))
    ways = {
        "DDIM": (DDIMScheduler(prediction_type="v_prediction", clip_sample=False), STYLES["linear"]),
        "FlowMatch": (FlowMatchScheduler(clip_sample=False), STYLES["scaled_linear"]),
    }
    for (name, (scheduler, (color, dashes))), axes in zip(ways.items(), panels, strict=True):
        weights.plot(*weights_of(scheduler, torch.arange(1000)), color=color, linestyle=dashes)
        walk = torch.stack([x for _, x, _ in sample(Best(scheduler, spots), scheduler, 10, starts)])[..., 0, 0]
        weights.plot(*weights_of(scheduler, scheduler.timesteps), "o", color=color, markersize=3.5, label=name)
        axes.plot(*spots.T, ".", color="0.75", markersize=2)
        axes.plot(*walk[:, :14].permute(2, 0, 1), "o-", color=color, linewidth=0.7, markersize=1.8)
        off = torch.cdist(walk[-1], spots).amin(1).mean()  # as there are no other images than these
        axes.set_title(f"{name}, S = 10: {off:.3f}", **TEXT)
        axes.set(xlim=(-1.9, 1.9), ylim=(-1.9, 1.9), aspect="equal", xticks=[], yticks=[])
    weights.set(xlabel="$x_0$", ylabel="$\\varepsilon$", aspect="equal", xlim=(-0.05, 1.1), ylim=(-0.05, 1.1))
    weights.legend(frameon=False, fontsize=8, loc="lower left")
    plain(weights)
    return figure


def weights_of(scheduler: DDPMScheduler, timesteps: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """How much of the image and of the noise is in x_t, (N,) each."""
    one, zero = torch.ones(len(timesteps), 1, 1, 1), torch.zeros(len(timesteps), 1, 1, 1)
    image, noise = (scheduler.add_noise(*pair, timesteps).flatten() for pair in ((one, zero), (zero, one)))
    return image, noise


class Best(torch.nn.Module):
    """What the best possible network answers where each image is one of these points, (N, 2)."""

    def __init__(self, scheduler: DDPMScheduler, spots: torch.Tensor) -> None:
        super().__init__()
        self.scheduler, self.spots = scheduler, spots

    def forward(self, x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        image, noise = weights_of(self.scheduler, t[:1])
        nearness = -torch.cdist(x[:, :, 0, 0], image * self.spots).square() / (2 * noise**2)
        x0 = (nearness.softmax(1) @ self.spots)[:, :, None, None]
        return self.scheduler.get_velocity(x0, (x - image * x0) / noise, t)


def plain(axes: Axes) -> None:
    """A panel without what only adds ink."""
    axes.title.set_fontsize(10)
    axes.tick_params(labelsize=8)
    axes.xaxis.label.set_fontsize(9)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25, linewidth=0.5)


@functools.cache
def digits() -> torch.Tensor:
    """The 5,000 digits that ship with the kit, in [-1, 1]."""
    return data.digits(data.DIGITS5K)[0].float() / 127.5 - 1


FIGURES = (samples, noising, schedules, denoising, steps_eta, losses, learning, symptoms, straight)
OF_CHECKPOINTS = (curves,)


def main(names: Collection[str]) -> None:
    FOLDER.mkdir(exist_ok=True)
    asked = [draw for draw in (*FIGURES, *OF_CHECKPOINTS) if not names or draw.__name__ in names]
    for draw in track(asked, "Drawing", transient=True):
        path = (CHECKPOINTS if draw in OF_CHECKPOINTS else FOLDER) / f"{draw.__name__}.png"
        draw().savefig(path, metadata={"Software": None}, pil_kwargs={"optimize": True})
        print(f"{path.relative_to(ROOT)}  {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(sys.argv[1:])
