"""`make debug CHECK=id`: the failing public call that the grade tells of, as a script of its own, to step through.

The script needs the student's files, those that are given and torch; nothing of the grader. Hidden cases are never
looked at.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import numpy as np

from . import checks
from .box.inside import wire
from .checks.loss import TARGET, X_T
from .expect import Expect
from .language import _, english
from .paths import ASSIGNMENT
from .record import Failed
from .student import Student

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import ArrayLike

    from .box import Box
    from .expect.answers import Answer
    from .expectations import Expectations
    from .rubric import Rubric

SCRIPT = '''\
"""{check}: {what}

{how}
"""

import sys

import torch

sys.path.insert(0, {folder!r})
from scheduler import {name}

torch.set_printoptions(precision=6, sci_mode=False)

{body}
'''

TRAIN = '''\
"""{check}: {what}

{how}
"""

import sys

import numpy as np
import torch

sys.path[:0] = [{folder!r}, {given!r}]
import train

digits = np.load({given!r} + "/digits5k.npz")["images"][:, None]
run = train.Run({settings}, torch.from_numpy(digits[np.arange(len(digits)) % 5 != 0]))
while run.step < run.settings["steps"]:
    run.advance()
    print(run.step, float(run.losses[run.step - 1]))
'''

INFER = '''\
"""{check}: {what}

{how}
"""

import base64
import os
import runpy
import sys
import tempfile

import numpy as np

FILES = {files}
os.chdir(tempfile.mkdtemp())
for name, content in FILES.items():
    with open(name, "wb") as file:
        file.write(base64.b64decode(content))
sys.path[:0] = [os.getcwd(), {folder!r}, {given!r}]
sys.argv = {arguments}
print("python", *sys.argv, "\\n{here}", os.getcwd())
try:
    runpy.run_path({folder!r} + "/infer.py", run_name="__main__")
except SystemExit as end:
    print("{status}", end.code)
{compare}'''

COMPARE = """
from safetensors.numpy import load_file

expected = np.frombuffer(base64.b64decode({expected!r}), np.float32).reshape({shape})
got = load_file("out.safetensors")["samples"]
print("{largest}", np.abs(got - expected).max(), "{image}", np.abs(got - expected).max((1, 2, 3)).argmax())
"""

LOSS = """\
slope = {slope}
offset = {offset}.requires_grad_()
original_samples = {original_samples}
noise = {noise}
timesteps = {timesteps}
seen = []


def model(x, t):
    seen.append(x)
    return slope[t].view(-1, 1, 1, 1) * x + offset


losses = scheduler.loss(model, original_samples, noise, timesteps)
print("{losses}", losses)
x_t = seen[0]
# {why}
gradient = torch.autograd.grad(losses.sum(), offset)[0]
target = model(x_t, timesteps) - gradient * offset[0].numel() / 2
got = losses
"""

NETWORK = """\
slope = {slope}
offset = {offset}


def model(x, t):
    return slope[t].view(-1, 1, 1, 1) * x.roll({shift}, -1) + offset

"""

NAMES = {
    "add_noise": ("original_samples", "noise", "timesteps"),
    "get_velocity": ("sample", "noise", "timesteps"),
    "predict": ("model_output", "timestep", "sample"),
    "posterior": ("original_samples", "sample", "timestep"),
    "step": ("model_output", "timestep", "sample", "eta"),
    "set_timesteps": ("num_inference_steps",),
    "previous_timestep": ("timestep",),
    "inpaint": ("model", "scheduler", "known", "mask", "noise"),
}
BATCH = ("slope", "offset", "original_samples", "noise", "timesteps")  # of a loss
Request = tuple[str, tuple[Any, ...]]  # its name and its arguments


class Traced(Student):
    """A Student that remembers every request."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.requests: list[Request] = []
        self.made: dict[int, Request] = {}  # {id of a Ref: what made that object}

    def ask(self, shown: str, request: str, *arguments: Any, **options: Any) -> Any:
        self.requests.append((request, arguments))
        value = super().ask(shown, request, *arguments, **options)
        if isinstance(value, wire.Ref):
            self.made[value.id] = (request, arguments)
        return value


class Placed(Expect):
    """An Expect that remembers which request each answer came from."""

    def __init__(self, student: Traced, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.student = student
        self.places: list[int] = []  # of each answer, how many requests came before it

    def note(self, answer: Answer) -> Answer:
        self.places.append(len(self.student.requests))
        return super().note(answer)

    def requests(self, answer: Answer) -> list[Request]:
        """All requests until this answer."""
        return self.student.requests[: self.places[self.answers.index(answer)]]


def script(
    check: str, box: Box, files: dict[str, bytes], shown_folder: Path, rubric: Rubric, public: Expectations
) -> str:
    """The script for the failing public call of a check that its grade tells of, or for its first call if none fails.

    check         its id
    files         of the submission
    shown_folder  what the script puts on sys.path
    """
    answer, what, passes = None, _("passes on all public cases; this is its first call"), True
    with Traced.at_work(box, files, rubric.limits) as student:
        expect = Placed(student, public, check, rubric.checks[check].tolerance)
        try:
            checks.run(check, student, expect)
        except Failed as failed:
            what, passes = failed.message, False
    requests = student.requests
    if expect.settled:
        answer = expect.worst()
        what, requests = _("{name} {where}", name=answer.name, where=answer.where), expect.requests(answer)
    program, arguments = requests[-1]
    trained = [arguments[1] for name, arguments in requests if name == "training"]
    if trained and (program in ("training", "advance", "checkpoint") or passes):
        return TRAIN.format(
            check=check,
            what=what,
            how=_("The kit's train.py with your scheduler, as it is graded, with the loss of every step."),
            folder=str(shown_folder),
            given=str(ASSIGNMENT),
            settings=trained[0],
        )
    if program == "run":
        return infer_script(check, what, shown_folder, arguments, answer)
    calls = [request for request in requests if request[0] in ("call", "attribute", "call_on_cuda", "loss")]
    how = _("Run it with the Python you grade with; put `breakpoint()` anywhere, here or in scheduler.py.")
    whole = {"check": check, "what": what, "how": how, "folder": str(shown_folder)}
    if not passes and requests[-1][0] in ("load", "new"):  # the scheduler could not be built
        name, settings = requests[-1][1] if requests[-1][0] == "new" else ("DDPMScheduler", {})
        body = f"scheduler = {name}({keywords(settings)})"
        return SCRIPT.format(name=name, body=body, **whole)
    first = next((each for each in calls if is_function(each, student.made)), calls[0])
    request, arguments = first if passes else calls[-1]
    names, body = [], []
    if is_function((request, arguments), student.made):
        names.append(arguments[1])
    for ref in built(request, arguments, student.made):
        name, settings = student.made[ref.id][1]
        names.append(name)
        body.append(f"scheduler = {name}({keywords(settings)})")
        for earlier, (of, *rest) in calls[: calls.index((request, arguments))]:
            if of == ref and earlier == "call" and rest[0] == "set_timesteps":
                body.append(f"scheduler.set_timesteps({', '.join(map(repr, rest[1]))})")
    body.append(call(request, arguments, student.made))
    if answer is not None:
        body.append(comparison(answer))
    else:
        body.append(shows(_("got"), "got"))
    return SCRIPT.format(name=", ".join(names), body="\n".join(body), **whole)


def is_function(request: Request, made: dict[int, Request]) -> bool:
    """Whether a function of the module is called, and no method."""
    return made[request[1][0].id][0] == "functions"


def built(request: str, arguments: Sequence[Any], made: dict[int, Request]) -> list[wire.Ref]:
    """The schedulers that a call needs, of a method or among the arguments: one at most."""
    refs = [arguments[0], *(arguments[2] if request == "call" else ())]
    return [ref for ref in refs if isinstance(ref, wire.Ref) and made[ref.id][0] == "new"]


def infer_script(check: str, what: str, folder: Path, arguments: Sequence[Any], answer: Answer | None) -> str:
    program, options, files, _rest = arguments
    compare = ""
    if answer is not None and answer.expected.ndim == 4:  # samples, and not what was measured on them
        expected = base64.b64encode(np.float32(answer.expected).tobytes()).decode()
        compare = COMPARE.format(
            expected=expected, shape=answer.expected.shape, largest=_("largest error"), image=_("in image")
        )
    return INFER.format(
        check=check,
        what=what,
        how=_("Your infer.py in a fresh folder, as it is graded; put `breakpoint()` anywhere in it."),
        here=_("in"),
        status=_("exit status"),
        files={name: base64.b64encode(content).decode() for name, content in files.items()},
        folder=str(folder),
        given=str(ASSIGNMENT),
        arguments=[program, *options],
        compare=compare,
    )


def keywords(settings: dict[str, Any]) -> str:
    return ", ".join(f"{key}={value!r}" for key, value in settings.items())


def call(request: str, arguments: Sequence[Any], made: dict[int, Request]) -> str:
    """The call, its tensors first, each with a name of its own."""
    if request == "loss":
        _rest, network, *batch = arguments
        values = {label: tensor(value) for label, value in zip(BATCH, (*network, *batch), strict=True)}
        why = _("Of a mean squared error, its gradient tells what the output is compared with.")
        return LOSS.format(losses=_("losses"), why=why, **values)
    _rest, name, *rest = arguments
    if request == "attribute":
        return f"got = scheduler.{name}"
    lines, shown = [], []
    for key, value in [*enumerate(rest[0]), *rest[1].items()]:
        label = NAMES[name][key] if isinstance(key, int) else key
        if isinstance(value, wire.Tensor):
            lines.append(f"{label} = {tensor(value)}")
        elif isinstance(value, wire.Ref):
            lines += built_anew(label, *made[value.id])
        else:
            lines.append(f"{label} = {value!r}")
        shown.append(label if isinstance(key, int) else f"{key}={label}")
    of = "" if made[arguments[0].id][0] == "functions" else "scheduler."
    return "\n".join([*lines, f"got = {of}{name}({', '.join(shown)})"])


def built_anew(label: str, kind: str, arguments: tuple[Any, ...]) -> list[str]:
    """Lines that make an object which the box made with these arguments."""
    if kind == "new":  # the scheduler, which is there
        return []
    if kind == "network":
        slope, offset, shift = arguments
        return [NETWORK.format(slope=tensor(slope), offset=tensor(offset), shift=shift)]
    (of,) = arguments
    return [f"{label} = {tensor(of) if kind == 'kept' else f'torch.Generator().manual_seed({of})'}"]


def tensor(value: wire.Tensor) -> str:
    """A wire tensor as Python."""
    settings = f"dtype=torch.{value.dtype}"
    if value.device == "cuda":
        why = _("needs a GPU; the grader imitates one")
        return f'torch.zeros({value.shape}, {settings}, device="cuda")  # {why}'
    flat = np.frombuffer(value.data, value.dtype)
    if flat.size > 1 and (flat == flat[0]).all():
        return f"torch.full({value.shape}, {flat[0].item()}, {settings})"
    return f"torch.tensor({numbers(flat)}, {settings}).reshape({value.shape})"


def shows(label: str, value: str) -> str:
    """A line that prints a value behind its label."""
    return f'print("{label}", {value})'


def numbers(array: ArrayLike) -> str:
    """A list of numbers, as few digits as give the same float32 back."""
    return "[" + ", ".join(map(str, np.ravel(array))) + "]"


def comparison(answer: Answer) -> str:
    """Lines that print how far off the result is."""
    which = {"epsilon_hat": "got[1]", "x0_hat": "got[0]", "the posterior mean": "got[0]"}
    which |= {"the posterior variance": "got[1]", X_T: "x_t", TARGET: "target"}
    expected = np.float32(answer.expected)
    return "\n".join(
        [
            f"got = torch.as_tensor({which.get(english(answer.name), 'got')}).detach().double()",
            f"expected = torch.tensor({numbers(expected)}, dtype=torch.float64).reshape({answer.expected.shape})",
            shows(_("got"), "got"),
            shows(_("expected"), "expected"),
            shows(_("largest error"), "(got - expected).abs().max().item()"),
        ]
    )
