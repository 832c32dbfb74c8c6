"""What may be behind an exception of student code, where its own text does not say so or speaks of something else."""

import re

from ..language import N_, _

# There is no such device here, whatever the reason.
NO_GPU = re.compile(
    "Cannot re-initialize CUDA|not compiled with (CUDA|XPU)|no NVIDIA driver|No (CUDA|HIP) GPUs|no CUDA-capable"
    "|not linked with support for|Cannot access accelerator device|MPS.? backend|CUDA driver|invalid device ordinal"
)
ON_THE_CPU = {
    "scheduler.py": N_("leave the tables on the CPU, and move what is picked from them to the sample's device (2.1)"),
    "infer.py": N_("--device names it, and auto means cuda only where there is one"),
}
BEHIND = {  # a pattern: a sentence
    "does not require grad|Inference tensors cannot": N_(
        "does scheduler.py switch gradients off for the whole program?"
    ),
    "cannot be converted to Scalar|only one element tensors": N_(
        "one number is asked for there, and a whole tensor came"
    ),
    "name 'self' is not defined": N_("self must be the first parameter of a method"),
    "'torch.dtype' object is not callable": N_("does `from torch import *` hide Python's own int or float?"),
    "unicode error|null bytes|Non-UTF-8|invalid non-printable": N_("save the file as plain UTF-8 text"),
    "inconsistent use of tabs|unindent does not match": N_(
        "tabs and spaces are mixed; let your editor use spaces only"
    ),
}
CALLED = re.compile("(positional|keyword-only|unexpected keyword) argument|multiple values for argument")
SETTINGS = "num_train_timesteps, beta_schedule, beta_start, beta_end, prediction_type, variance_type, clip_sample"
SIGNATURES = {
    "DDPMScheduler": SETTINGS,
    "DDIMScheduler": SETTINGS,
    "FlowMatchScheduler": "num_train_timesteps, prediction_type, clip_sample",
    "add_noise": "self, original_samples, noise, timesteps",
    "get_velocity": "self, sample, noise, timesteps",
    "set_timesteps": "self, num_inference_steps, device=None",
    "previous_timestep": "self, timestep",
    "predict": "self, model_output, timestep, sample",
    "posterior": "self, original_samples, sample, timestep",
    "step": "self, model_output, timestep, sample, [eta=0.0,] generator=None, variance_noise=None",
}


def no_gpu(text: str, file: str) -> str | None:
    """What to do about an exception with this text, if it is about a GPU that is not there."""
    if not NO_GPU.search(text):
        return None
    return _("There is no GPU here; take the device from the arguments: {how}", how=_(ON_THE_CPU[file]))


def form(text: str, shown: str) -> str | None:
    """The handout's form of what was called, where the text of an exception is about arguments.

    shown  what was called, as the student would have written it
    """
    name = shown.partition("(")[0]
    return f"{name}({SIGNATURES[name]})" if CALLED.search(text) and name in SIGNATURES else None


def added(text: str) -> str:
    """The text of an exception, and what may be behind it."""
    told = next((told for pattern, told in BEHIND.items() if re.search(pattern, text)), None)
    return _("{text}; {advice}", text=text, advice=_(told)) if told else text
