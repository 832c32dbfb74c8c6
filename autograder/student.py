"""A student's work as seen from the grader: a small proxy whose calls happen in the box.

Results are rebuilt as plain numpy arrays from declared dtype, shape and bytes. Whatever goes wrong in there comes out
as record.Failed, with a verdict and a sentence for the student.
"""

from __future__ import annotations

import contextlib
import math
import os
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from . import given
from .box import BoxError, Ended, advice
from .box.gpu import GpuFault, fault, mixed
from .box.inside import wire
from .language import N_, _
from .record import BAD_OUTPUT, CRASHED, NOT_IMPLEMENTED, OVER_LIMIT, TIMED_OUT, Failed

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from pathlib import Path
    from typing import Self

    from .box import Box, Process
    from .box.proof import Gpu

ATTRIBUTES = ("betas", "alphas", "alphas_cumprod", "timesteps")
NEEDED = N_("{shown} needed more than {memory_mb} MB of memory")
ENDINGS = {
    "timed_out": (TIMED_OUT, N_("{shown} did not return within {seconds} s, so it was stopped")),
    "out_of_time": (TIMED_OUT, N_("{shown} was stopped: the time for all checks together is over")),
    "threads": (OVER_LIMIT, N_("{shown} started more threads than {processes}")),
    "output": (OVER_LIMIT, N_("{shown} printed more than {output_kb} kB")),
    "scratch": (OVER_LIMIT, N_("{shown} wrote more than {scratch_mb} MB or {scratch_files} files")),
    "memory": (OVER_LIMIT, NEEDED),
    "cpu": (OVER_LIMIT, N_("{shown} brought this part to more than {cpu_seconds} s of processor time")),
}
# What an exception says when a limit was hit, and how the student reads it.
LIMITS_HIT = {
    "MemoryError": NEEDED,
    "DefaultCPUAllocator": NEEDED,  # torch has no type of its own for it
    "[Errno 12]": NEEDED,
    "[Errno 24]": N_("{shown} opened more than {open_files} files"),
    "[Errno 27]": N_("{shown} wrote a file of more than {file_mb} MB"),
    "can't start new thread": N_(
        "{shown} started more threads than {processes}, or than fit into {memory_mb} MB of memory"
    ),
}
# What tensors may hold, as torch calls it; complex numbers are an answer to nothing, but a readable one.
DTYPES = (
    "float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool", "complex64",
    "complex128",
)  # fmt: skip
SHOWN = 100  # characters of what the box says that a message repeats
# What an exception says where code asks for a GPU in a process that sees none, in torch's many words.
NOT_ALLOWED = N_("{told}; in the box there is no network, no other process, and no file to write to but your own")
# What is said, in the box, of an import that is not allowed.
IMPORTS = {
    "relative": N_("relative imports do not work here; without the dots: import {package}"),
    "elsewhere": N_("{package}.py is not there when you are graded; infer.py may import unet and scheduler"),
    "other": N_(
        "{package} cannot be imported in this homework. What can: {packages}, unet, scheduler and Python's own modules"
    ),
}
WRITTEN = {"The class ": N_("The class {name}"), "The function ": N_("The function {name}")}  # as worker.py says it
NO_RESULT = N_("{what} sent something that is not a result")
Result = TypeVar("Result")


class Value(np.ndarray):
    """A tensor that came out of the box. `torch_dtype` and `device` are what the student's tensor had."""

    torch_dtype: str | None = None
    device: str | None = None  # pyrefly: ignore[bad-override]  # numpy has one of its own, always "cpu"

    def __array_finalize__(self, other: np.ndarray | None) -> None:
        self.torch_dtype, self.device = getattr(other, "torch_dtype", None), getattr(other, "device", None)


@dataclass
class Finished:
    """What one run of a program left.

    status    its exit status
    files     {name: content} of those that were asked for
    calls     how a probing network was called, and in `compiled` whether torch.compile was used. The student's own
              process says so: good for a hint, never for points
    """

    status: int
    files: dict[str, bytes | None]
    calls: tuple[Any, ...]
    compiled: bool
    printed: str


@dataclass
class Budget:
    """The time of all processes of a submission together: no call is waited for any longer.

    seconds        how much of the student's time (box/clock.py) there is
    wall_factor    how many times longer the wall time may be
    student, wall  seconds that are spent
    """

    seconds: float = math.inf
    wall_factor: float = 1
    student: float = 0.0
    wall: float = 0.0

    def left(self) -> tuple[float, float]:
        """(the student's seconds, wall seconds)"""
        return self.seconds - self.student, self.seconds * self.wall_factor - self.wall

    def take(self, student: float, wall: float) -> None:
        self.student += student
        self.wall += wall


class Student:
    """One submission, alive in the box. A process that died is replaced by a fresh one at the next construction.

    folder  its staged files, beside the kit's own
    limits  the table [limits] of rubric.toml
    budget  shared with others of this submission; by default it has time without end
    gpu     the one of the box, where training may use it
    Raises Failed for what is the student's, BoxError for what is this host's.
    """

    def __init__(
        self, box: Box, folder: Path, limits: dict[str, Any], budget: Budget | None = None, gpu: Gpu | None = None
    ) -> None:
        self.box, self.folder, self.limits, self.budget, self.gpu = box, folder, limits, budget or Budget(), gpu
        self.process: Process | None = None
        self.trains_on: str | None = None  # the device, where the live process is there to train
        self.trained_on: list[str] = []  # each device that a whole run was made on
        self.faults: list[str] = []  # what came between, on the GPU: each a sentence
        self.imported = False  # whether scheduler.py could ever be imported
        self.facts: dict[str, Any] = {}
        self.output = ""  # what programs have printed since the last call of `printed`
        self.runs: list[dict[str, Any]] = []  # facts of each process that has ended

    @classmethod
    @contextlib.contextmanager
    def at_work(
        cls,
        box: Box,
        files: dict[str, bytes],
        limits: dict[str, Any],
        budget: Budget | None = None,
        gpu: Gpu | None = None,
    ) -> Generator[Self]:
        """A context with a Student who has these files beside the given network. At its end the processes are gone, and
        so are the files."""
        folder = box.stage(given.network() | files)
        student = cls(box, folder, limits, budget, gpu)
        try:
            yield student
        finally:
            try:
                student.close()
            finally:
                box.discard(folder)

    def DDPMScheduler(self, **kwargs: Any) -> Scheduler:
        return self.construct("DDPMScheduler", kwargs)

    def DDIMScheduler(self, **kwargs: Any) -> Scheduler:
        return self.construct("DDIMScheduler", kwargs)

    def FlowMatchScheduler(self, **kwargs: Any) -> Scheduler:
        return self.construct("FlowMatchScheduler", kwargs)

    def construct(self, name: str, kwargs: dict[str, Any]) -> Scheduler:
        self.load()
        try:
            return Scheduler(self, self.ask(f"{name}(...)", "new", name, kwargs))
        except Failed as failed:
            settings = ", ".join(f"{key}={value!r}" for key, value in kwargs.items())
            if failed.verdict != NOT_IMPLEMENTED:
                failed.detail = f"{name}({settings})" + (f": {failed.detail}" if failed.detail else "")
            raise

    def functions(self) -> Scheduler:
        """The student's module, as if its functions were methods."""
        self.load()
        return Scheduler(self, self.ask("scheduler.py", "functions"))

    def network(self, slope: np.ndarray, offset: np.ndarray, shift: int = 0) -> wire.Ref:
        """A network in closed form in the box, model(x, t) (Network in worker.py)."""
        self.load()
        return self.ask(_("a network"), "network", parcel(slope), parcel(offset), shift)

    def generator(self, seed: int) -> wire.Ref:
        """A torch.Generator in the box."""
        self.load()
        return self.ask("torch.Generator", "generator", seed)

    def training(self, settings: dict[str, Any], digits: np.ndarray, device: str = "cpu", **changed: float) -> Training:
        """The loop of the given train.py on this device, over these digits, with the student's scheduler. One process
        serves for several in a row, as a start near the GPU takes seconds; with limits `changed`, one of its own.

        settings  of train.py
        digits    uint8 (N, 1, 28, 28)
        On a GPU, it and all that follows of it raise GpuFault for what may be the fault of the GPU or of this host, and
        Failed, as on the CPU, for what is surely the student's: a TODO that is not done, a mix of devices.
        """
        if not self.imported:
            self.load()  # what cannot be imported is told as such
        with self.near(device):
            if changed or self.trains_on != device or not self.process or self.process.ended.is_set():
                self.start(device, **changed)
            return Training(self, device, self.piece("training", given.training(), settings, parcel(digits), device))

    def piece(self, request: str, *arguments: Any) -> Any:
        """A piece of a training."""
        return self.ask("train.py", request, *arguments, seconds=self.limits["train_seconds"])

    @contextlib.contextmanager
    def near(self, device: str) -> Generator[None]:
        """Where that is a GPU: what is not surely the student's fault comes out as GpuFault."""
        try:
            yield
        except BoxError as error:
            if device == "cpu":
                raise
            raise GpuFault("start", _("no process with a GPU could be started ({error})", error=error)) from None
        except Failed as failed:
            said = f"{failed.english} {failed.detail} {failed.said}"
            if device == "cpu" or failed.verdict == NOT_IMPLEMENTED or (failed.types and mixed(said)):
                raise
            if failed.verdict == TIMED_OUT:
                told = _("the run on the GPU gave no answer in time ({message})", message=failed.message)
                raise GpuFault("hang", told) from None
            raise fault(said) from None

    def on_gpu_or_cpu(self, run: Callable[[str], Result]) -> Result:
        """What `run(device)` returns, on the GPU where there is one that works, else on the CPU.

        A GPU that fails never decides: it is tried once more, then the CPU decides, and the time is given back.
        """
        while self.gpu and self.gpu.trusted:
            spent = self.budget.student, self.budget.wall
            try:
                result = run(self.gpu.device)
            except GpuFault as failed:
                self.close()
                self.budget.student, self.budget.wall = spent
                self.faults.append(str(failed))
                self.gpu.faults.append(str(failed))
            else:
                self.gpu.worked = True
                self.gpu.faults.clear()
                self.trained_on.append(self.gpu.name)
                return result
        self.trained_on.append("cpu")
        try:
            return run("cpu")
        except Failed:  # it was not the GPU's fault, perhaps
            if self.gpu:
                self.gpu.faults.clear()
            raise
        finally:
            self.gpu = None

    def beside(self, files: dict[str, bytes]) -> contextlib.AbstractContextManager[Student]:
        """Another Student at work in the same box, near the same GPU, with these files."""
        return Student.at_work(self.box, files, self.limits, gpu=self.gpu)

    def infer(
        self, arguments: Sequence[str], files: dict[str, bytes], wanted: Sequence[str], seconds: float
    ) -> Finished:
        """Run `python infer.py ARGUMENTS` in a folder with these files.

        wanted  names of the files that are asked for
        """
        said = len(self.output)
        reply = self.apart("infer.py", "run", "infer.py", arguments, files, wanted, seconds=seconds)
        shape_is_right = isinstance(reply, tuple) and len(reply) == 4 and isinstance(reply[1], dict)
        if not (shape_is_right and type(reply[0]) is int and isinstance(reply[2], tuple)):
            raise Failed(BAD_OUTPUT, _(NO_RESULT, what="infer.py"))
        status, left, calls, compiled = reply
        left = {name: left.get(name) if isinstance(left.get(name), bytes) else None for name in wanted}
        self.output, printed = self.output[:said], self.output[said:]
        return Finished(status, left, calls, compiled is True, printed)

    def apart(self, shown: str, request: str, *arguments: Any, seconds: float) -> Any:
        """One request in a process of its own; the live one ends before it."""
        if not self.imported:
            self.load()  # what cannot be imported is told as such
        self.start()
        try:
            return self.ask(shown, request, *arguments, seconds=seconds)
        finally:
            self.close()

    def load(self) -> None:
        """Start a process and import scheduler.py in it, unless one is alive. Raises Failed."""
        if self.process and not self.process.ended.is_set() and not self.trains_on:
            return
        self.start()
        self.ask("import scheduler", "load", "scheduler", seconds=self.limits["import_seconds"])
        self.imported = True

    def start(self, trains_on: str | None = None, **changed: float) -> None:
        """A fresh process in the place of the live one: near the GPU where it is to train on one."""
        self.close()
        self.process = self.box.start(self.folder, gpu=trains_on not in (None, "cpu"), **changed)
        self.trains_on = trains_on
        says = {kind: _(told) for kind, told in IMPORTS.items()}
        self.ask("import", "allow", self.limits["allowed_imports"], given.elsewhere(), says)

    def ask(self, shown: str, request: str, *arguments: Any, seconds: float | None = None) -> Any:
        """Send one request. Returns what the box answers, as wire.py decodes it: nobody vouches for it.

        shown    how the student would have written it
        seconds  of the student's time that it may take; call_seconds by default
        """
        if not self.process or self.process.ended.is_set():
            raise Failed(CRASHED, _("{shown} could not run: the process had ended", shown=shown), self.printed())
        seconds = seconds or self.limits["call_seconds"]
        left, wall = self.budget.left()
        wall = min(wall, seconds * self.limits["wall_factor"])
        try:
            status, value = self.process.ask(request, *arguments, seconds=min(seconds, left), wall=wall)
        except Ended as end:
            self.facts = end.facts or {}
            why = "out_of_time" if end.why == "timed_out" and left < seconds else end.why
            raise self.ending(shown, why, seconds) from None
        except (wire.WireError, ValueError, TypeError):
            status, value = "nonsense", None
        finally:
            self.budget.take(*self.process.took)
        if status == "ok":
            return value
        if status == "error" and isinstance(value, dict) and {"types", "text", "line", "code"} <= value.keys():
            raise self.exception(shown, value)
        self.process.end("nonsense")
        raise Failed(BAD_OUTPUT, _(NO_RESULT, what=shown))

    def ending(self, shown: str, why: str, seconds: float) -> Failed | BoxError:
        """What to raise where the process has ended, `why` in one word of box/process.py."""
        if why == "starved":
            says = N_("this machine is too busy: {shown} only waited for a processor, until it was stopped")
            return BoxError(_(says, shown=shown))
        if why in ENDINGS:
            verdict, text = ENDINGS[why]
            return Failed(verdict, _(text, shown=shown, seconds=seconds, **self.limits))
        status = self.facts.get("status")
        if status and status < 0 and self.facts.get("cpu_s", 0) >= self.limits["cpu_seconds"]:
            return self.ending(shown, "cpu", seconds)
        if status and status < 0:
            names = {number.value: number.name for number in signal.Signals}
            says = N_("{shown} ended the whole process by {signal} instead of returning")
            name = names.get(-status) or _("signal {number}", number=-status)
            return Failed(CRASHED, _(says, shown=shown, signal=name))
        says = N_("{shown} ended the whole process with exit status {status} instead of returning")
        return Failed(CRASHED, _(says, shown=shown, status=status))

    def exception(self, shown: str, error: dict[str, Any]) -> Failed:
        """An exception of the student's code, as Failed: its type, and where in their file it was raised."""
        types = error["types"] if isinstance(error["types"], (tuple, list)) else ()
        types = [name[:SHOWN] for name in types if isinstance(name, str)] or [_("an exception")]
        text, code = str(error["text"])[: 5 * SHOWN], str(error.get("code", ""))[: 2 * SHOWN]
        error["line"] = error["line"] if type(error["line"]) is int else None
        file = "infer.py" if error.get("file") == "infer.py" else "scheduler.py"
        place = f"{file} line {error['line']}" if error["line"] else ""
        raised = {"shown": shown, "type": types[0], "file": file, "line": error["line"], "code": code}
        if told := advice.no_gpu(text, file):  # of MPS, torch says so as a NotImplementedError
            says = N_("{shown} asks for a GPU at {file} line {line}: {code}. {told}")
            says = says if place else N_("{shown} asks for a GPU, outside your file. {told}")
            return Failed(CRASHED, _(says, told=told, **raised), types=types, said=text, place=place)
        if "NotImplementedError" in types:
            what = text if text.startswith(("TODO", *map(str.rstrip, WRITTEN))) else shown
            for prefix, says in WRITTEN.items():
                if text.startswith(prefix):
                    what = _(says, name=text.removeprefix(prefix))
            says = N_("{what} is not implemented yet ({file} line {line})")
            says = says if place else N_("{what} is not implemented yet")
            return Failed(NOT_IMPLEMENTED, _(says, what=what, **raised), types=types, said=what, place=place)
        for sign, says in LIMITS_HIT.items():
            if sign in types or sign in text:
                return Failed(OVER_LIMIT, _(says, shown=shown, **self.limits), types=types)
        if not error["line"] and (form := advice.form(text, shown)):
            says = N_("{shown} raised {type}: it does not take the arguments that the handout gives it, {form}")
            return Failed(CRASHED, _(says, form=form, **raised), text, types, said=text)
        says = N_("{shown} raised {type} at {file} line {line}: {code}")
        told = _(says if place else N_("{shown} raised {type}, outside your file"), **raised)
        if "PermissionError" in types:
            told = _(NOT_ALLOWED, told=told)
        return Failed(CRASHED, told, advice.added(text), types, said=text, place=place)

    def printed(self) -> str:
        """What was printed since the last call."""
        output, self.output = self.output, ""
        return output + (self.said() if self.process else "")

    def said(self) -> str:
        """What the live process printed since the last call; warnings name a file as the student knows it."""
        assert self.process
        return self.process.printed().replace(f"{self.folder}{os.sep}", "")

    def close(self) -> None:
        """End the live process, if there is one; what it printed is kept."""
        if self.process:
            self.output += self.said()
            self.process.close()
            # pyrefly: ignore[bad-argument-type]  # None where the box failed to end it
            self.runs.append(self.process.facts)
            self.process = self.trains_on = None


class Scheduler:
    """A scheduler object in the box, or its module. Attributes arrive as arrays, every other name is a method."""

    def __init__(self, student: Student, ref: wire.Ref) -> None:
        self._student, self._ref = student, ref

    def __getattr__(self, name: str) -> Any:
        if name in ATTRIBUTES:
            return rebuild(self._student.ask(name, "attribute", self._ref, name), name)

        def method(*args: Any, **kwargs: Any) -> Any:
            """Call in the box."""
            sent = [parcel(value) for value in args], {key: parcel(value) for key, value in kwargs.items()}
            try:
                reply = self._student.ask(f"{name}(...)", "call", self._ref, name, *sent)
            except Failed as failed:
                if failed.types:
                    called = [seen(value) for value in args] + [f"{key}={seen(value)}" for key, value in kwargs.items()]
                    how = {"what": failed.detail, "call": f"{name}({', '.join(called)})"}
                    says = N_("{what}; called as {call}") if failed.detail else N_("called as {call}")
                    failed.detail = _(says, **how)
                raise
            return rebuild(reply, f"{name}(...)")

        return method

    def loss(
        self,
        network: tuple[np.ndarray, np.ndarray],
        original_samples: np.ndarray,
        noise: np.ndarray,
        timesteps: np.ndarray,
    ) -> tuple[Any, Any, Any]:
        """(the loss of each image, what the network is given, what its output is compared with), see worker.py.

        network  (slope (T,), offset (B, C, H, W)): its output is slope[t] x_t + offset
        """
        sent = [parcel(array) for array in (original_samples, noise, timesteps)]
        reply = self._student.ask("loss(...)", "loss", self._ref, tuple(map(parcel, network)), *sent)
        if not (isinstance(reply, tuple) and len(reply) == 3):
            raise Failed(BAD_OUTPUT, _(NO_RESULT, what="loss(...)"))
        losses, given, target = (rebuild(part, "loss(...)") for part in reply)
        return losses, given, target

    def keep(self, value: Any) -> Any:
        """An array as a tensor that stays in the box, to be used in several calls; other values as they are."""
        if not isinstance(value, np.ndarray):
            return value
        ref = self._student.ask("torch.Tensor", "kept", parcel(value))
        if not isinstance(ref, wire.Ref):
            raise Failed(BAD_OUTPUT, _(NO_RESULT, what="torch.Tensor"))
        return ref

    def put(self, name: str, array: np.ndarray) -> None:
        """Give the object a tensor as an attribute."""
        self._student.ask(name, "put", self._ref, name, parcel(array))

    def on_cuda(self, name: str, *args: Any, **kwargs: Any) -> str:
        """Where the result of a method is for CUDA inputs: "cuda" or "cpu", or else "mismatch" or "undecided"."""
        sent = [parcel(value, "cuda") for value in args], {k: parcel(v, "cuda") for k, v in kwargs.items()}
        shown = _("{method}(...) with CUDA tensors", method=name)
        device = self._student.ask(shown, "call_on_cuda", self._ref, name, *sent)
        if device not in ("cuda", "cpu", "mismatch", "undecided"):
            raise Failed(BAD_OUTPUT, _(NO_RESULT, what=shown))
        return device


class Training:
    """A run of train.py in the box, in pieces that each must end within train_seconds."""

    def __init__(self, student: Student, device: str, ref: wire.Ref) -> None:
        self.student, self.device, self.ref = student, device, ref

    def advance(self, steps: int) -> None:
        with self.student.near(self.device):
            self.student.piece("advance", self.ref, steps)

    def checkpoint(self) -> bytes:
        """A checkpoint. Nobody vouches for its content."""
        with self.student.near(self.device):
            content = self.student.piece("checkpoint", self.ref)
        if not isinstance(content, bytes):
            raise Failed(BAD_OUTPUT, _("train.py sent something that is not a checkpoint"))
        return content

    def digits(self, noise: np.ndarray, steps: int) -> object:
        """What the trained network draws from this noise with the student's DDIM. It should be like the noise, float32
        (N, 1, 28, 28); nobody vouches for it."""
        with self.student.near(self.device):
            return rebuild(self.student.piece("digits", self.ref, parcel(noise), steps), _("your sampler"))


class strided:
    """Marks an array that the box shall lay out non-contiguously."""

    def __init__(self, array: np.ndarray) -> None:
        self.array = array


def seen(value: object) -> str:
    """An argument in few words."""
    value = value.array if isinstance(value, strided) else value
    if isinstance(value, (Scheduler, wire.Ref)):
        return "scheduler" if isinstance(value, Scheduler) else _("an object")
    if not isinstance(value, np.ndarray):
        return repr(value)
    return f"{value.dtype} {value.shape}" if value.shape else f"0-d {value.dtype}"


def parcel(value: Any, device: str = "cpu") -> Any:
    """A Python or numpy value as the box receives it; 0-d arrays become 0-d tensors."""
    if isinstance(value, Scheduler):
        return value._ref
    if isinstance(value, strided):
        return wire.Tensor(str(value.array.dtype), value.array.shape, value.array.tobytes(), strided=True)
    if isinstance(value, np.ndarray):
        return wire.Tensor(str(value.dtype), value.shape, value.tobytes() if device == "cpu" else b"", device)
    return value


def rebuild(
    value: object, what: str, depth: int = 2
) -> Value | wire.Other | tuple[Any, ...] | bool | int | float | str | None:
    """What came out of the box, its tensors as arrays, in tuples up to this depth. Raises Failed for anything else."""
    if isinstance(value, wire.Tensor):
        try:
            return array(value)
        except (TypeError, ValueError, AttributeError, OverflowError):
            raise Failed(BAD_OUTPUT, _("{what} sent a tensor that cannot be read", what=what)) from None
    if isinstance(value, wire.Other):
        if not isinstance(value.type, str):
            raise Failed(BAD_OUTPUT, _(NO_RESULT, what=what))
        return wire.Other(value.type[:SHOWN])
    if isinstance(value, tuple) and depth:
        return tuple(rebuild(item, what, depth - 1) for item in value)
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise Failed(BAD_OUTPUT, _(NO_RESULT, what=what))


def array(tensor: wire.Tensor) -> Value:
    """A tensor of the box as an array. Whatever is wrong with it raises ValueError, or what numpy raises."""
    if tensor.device != "cpu" or tensor.dtype not in DTYPES or any(size < 0 for size in tensor.shape):
        raise ValueError
    if tensor.dtype == "bfloat16":  # numpy has none: its 16 bits are the upper half of a float32
        data = (np.frombuffer(tensor.data, np.uint16).astype(np.uint32) << 16).view(np.float32)
    else:
        data = np.frombuffer(tensor.data, np.dtype(tensor.dtype))
    value = data.reshape(tensor.shape).view(Value)
    value.torch_dtype, value.device = tensor.dtype, tensor.device
    return value
