"""The self-test: whether the box holds here. It runs canary.py as a submission and reports what was not blocked."""

from __future__ import annotations

import os
import socket
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..language import _
from .inside.canary import Canary
from .inside.wire import WireError
from .launch import BoxError
from .process import Ended

if TYPE_CHECKING:
    from collections.abc import Iterable

    from . import Box
    from .process import Process

SOURCE = Path(__file__).parent / "inside" / "canary.py"
NAMES = {name: value.__doc__ for name, value in vars(Canary).items() if name.startswith("x_")}
SECONDS = 30


def not_blocked(box: Box, gpu: bool = False) -> list[str]:
    """What student code can do in this box although it should not, in words. Raises BoxError if it cannot be told."""
    if not (box.layers.bubblewrap or box.layers.landlock or box.layers.seccomp):
        return list(NAMES.values())
    folder = box.stage({SOURCE.name: SOURCE.read_bytes()})
    with tempfile.TemporaryDirectory(prefix="ddpm-hidden-", dir=short()) as outside, Listeners(outside) as listeners:
        os.chmod(outside, 0o777)  # what the box does not close, nothing else closes
        hidden = Path(outside, "hidden")
        hidden.write_text("secret", encoding="utf-8")
        process = box.start(folder, gpu=gpu)
        try:
            worked = attempts(process, str(hidden), box.secrets, outside, listeners)
        except (Ended, WireError, ValueError, TypeError) as error:
            raise BoxError(_("the box's self-test did not end ({error})", error=error)) from None
        finally:
            process.close()
            box.discard(folder)
    return [NAMES[name] for name in worked.splitlines()]


def attempts(process: Process, hidden: str, secrets: Iterable[Path], outside: str, listeners: Listeners) -> str:
    """The names of the canary's attempts that worked, a line each."""
    settings = {"hidden": hidden, "secrets": "\n".join(map(str, secrets)), "outside": outside, "grader": os.getpid()}

    def ask(*request: Any) -> Any:
        status, value = process.ask(*request, seconds=SECONDS)
        if status != "ok":
            what = f"{value['types'][0]}: {value['text']}"
            raise BoxError(_("the box's self-test failed: {what}", what=what))
        return value

    ask("load", SOURCE.stem)
    canary = ask("new", "Canary", settings | listeners.addresses)
    return ask("call", canary, "worked", (), {})


def short() -> str | None:
    """A folder for temporary folders in which a socket can lie: its address has room for about 100 bytes. None is the
    usual one."""
    return None if len(os.fsencode(tempfile.gettempdir())) < 70 else "/tmp"


class Listeners:
    """Sockets of the grader on this machine, for the canary to reach if it can."""

    def __init__(self, folder: str) -> None:
        self.tcp = socket.create_server(("127.0.0.1", 0))
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind(("127.0.0.1", 0))
        self.unix = socket.socket(socket.AF_UNIX)
        self.unix.bind(f"{folder}/socket")
        self.unix.listen()
        ports = {"tcp": self.tcp.getsockname()[1], "udp": self.udp.getsockname()[1]}
        self.addresses = {**ports, "unix": f"{folder}/socket"}

    def __enter__(self) -> Listeners:
        return self

    def __exit__(self, *_: object) -> None:
        for listener in (self.tcp, self.udp, self.unix):
            listener.close()
