"""<!-- IF training
-->What a training run leaves in its folder, and how a run is taken up again: tensors, JSON, text and pictures.

Nothing is ever pickled, and nobody ever reads half a file.
<!-- ELSE How files are written: nobody ever reads half of one.
--><!-- END IF
-->"""

### IF training
import io
import json
import os

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes

### IF infer
import sampling

### END IF
### ELSE import os
### ELSE
### ELSE
### END IF
### IF training
GENERATORS = ("batches", "times", "noises")
OPTIONS = ("steps", "batch_size", "timesteps", "seed", "precision")  # of train.py; some depend on the machine


def write_all(run, out, tell):
    """Write the files of the folder `out`, each at once or not at all.

    tell  is called with a line about each file that is left out
    """
    save(run, out / "resume.safetensors")
    write(out / "model.safetensors", checkpoint(run))
    losses = run.losses[: run.step].tolist()
    prediction_type = run.settings["scheduler"]["prediction_type"]
    write(out / "loss.csv", "".join(["step,loss\n", *(f"{i},{x:.6f}\n" for i, x in enumerate(losses, 1))]).encode())
    try:
        write(out / "loss.png", curve(losses, f"{prediction_type}, seed {run.settings['seed']}"))
    except ImportError:
        tell("loss.png is left out: matplotlib is not installed")
    ### IF infer
    try:
        sampling.draw(out / "model.safetensors", out / "samples.png", run.device.type)
    except sampling.NoSamples as error:  # training needs no sampler
        tell(f"samples.png is left out: {error}")
    ### END IF


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


### END IF
def write(path, content):
    """Write bytes so that nobody ever reads half of them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_name(path.name + ".part")
    half.write_bytes(content)
    os.replace(half, path)


### IF training
def save(run, path):
    """Write all that the rest of the run depends on: weights, averages, moments, generators, losses, settings."""
    tensors = {f"model.{name}": value for name, value in run.model.state_dict().items()}
    tensors |= {f"ema.{name}": value for name, value in run.ema.state_dict().items()}
    for index, moments in run.optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": value for name, value in moments.items()}
    tensors |= {name: getattr(run, name).get_state() for name in GENERATORS}
    tensors["losses"] = run.losses[: run.step]
    tensors = {name: value.contiguous() for name, value in tensors.items()}  # on a GPU, weights are channels_last
    write(path, to_bytes(tensors, {"settings": json.dumps(run.settings), "step": str(run.step)}))


def read(path):
    """(settings of a saved run, its step, tensors). ValueError unless the file is the state of one."""
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
    return json.loads(notes["settings"]), int(notes["step"]), tensors


def load(run, path):
    """Make `run` what the saved one was. ValueError unless the file is the state of a run with its settings."""
    settings, step, tensors = read(path)
    if settings.keys() != run.settings.keys():
        raise ValueError(f"{path} is of another version of train.py, and this one cannot go on with it")
    for key, value in settings.items():
        if run.settings[key] != value:
            same = f"; --{key.replace('_', '-')} {value} goes on with it" if key in OPTIONS else ""
            raise ValueError(f"{path} is of a run with {key} = {value}, not {run.settings[key]}{same}")
    run.model.load_state_dict(under("model.", tensors))
    run.ema.load_state_dict(under("ema.", tensors))
    moments = {}
    for index, weights in enumerate(run.model.parameters()):
        moments[index] = under(f"optimizer.{index}.", tensors)
        for name in moments[index].keys() - {"step"}:  # the fused optimizer wants them laid out as the weights are
            moments[index][name] = torch.empty_like(weights).copy_(moments[index][name])
    run.optimizer.load_state_dict({**run.optimizer.state_dict(), "state": moments})
    for name in GENERATORS:
        getattr(run, name).set_state(tensors[name])
    run.step = step
    run.losses[: run.step] = tensors["losses"]


def checkpoint(run):
    """The checkpoint, as bytes of a safetensors file: averaged weights, and JSON under the key "config"."""
    config = {"unet": run.settings["unet"], **run.settings["scheduler"]}
    weights = {name: value.contiguous() for name, value in run.ema.module.state_dict().items()}
    return to_bytes(weights, {"config": json.dumps(config)})


def under(prefix, tensors):
    """The tensors whose names begin with `prefix`, without it."""
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


### END IF
