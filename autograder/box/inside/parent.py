"""The warm parent: imports torch once, then forks a boxed process for each request. It holds no secret.

Run as a program, with the number of its control socket. Requests are JSON:
  {"start": arguments of worker.enter}, with four descriptors (requests, replies, output, noted)  ->  {"pid": n}
  {"look": n}  ->  {"written"}, see disk.written; whoever runs as another user may not look
  {"stop": n}  ->  {"status", "maxrss_kb", "cpu_s"}
`stop` kills the process with all it started, also what left its session or was orphaned: this process is the
subreaper of everything below it. When the control socket closes, everything ends.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import json
import os
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import disk

KILL_SECONDS = 10  # as in launch.py
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
MADV_COLLAPSE, LARGE_PAGE = 25, 2 << 20
MANY = 16  # starts after which there will be many more


def prctl(option: int, value: int) -> None:
    ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def warm() -> None:
    """Import and call once what every boxed process needs, in one thread: a fork copies no thread but this one."""
    gc.disable()  # it would look through all that is imported again and again, for a quarter of the time
    import landlock_rules
    import torch
    import worker  # noqa: F401

    for module in ("numpy", "PIL.Image", "rich.progress", "safetensors.torch", "torchvision"):  # what programs import
        importlib.import_module(module)
    from torch._subclasses.fake_tensor import FakeTensorMode

    torch.set_num_threads(1)
    with FakeTensorMode(allow_non_fake_inputs=True):
        torch.linspace(0, 1, 4, device="cuda").sqrt() * torch.ones(4, device="cuda")
    torch.linspace(0, 1, 4, dtype=torch.float64).cumprod(0).float()[torch.tensor([0, 1])].view(-1, 1).sqrt()
    torch.randn(2, generator=torch.Generator().manual_seed(0))
    landlock_rules.version()  # looks for the C library, with a program that no boxed process may run
    gc.freeze()  # keeps the collector of a child from touching, and so copying, every page of this process
    gc.enable()


def use_large_pages() -> None:
    """Put the memory of this process into large pages. A fork then copies some hundred entries of the page table, and
    not a hundred thousand: this takes a second once, and each later start half as long."""
    madvise = ctypes.CDLL(None).madvise
    for line in Path("/proc/self/maps").read_text().splitlines():
        span, access, *_, name = f"{line} -".split(maxsplit=5)
        if access == "rw-p" and name.startswith(("-", "[heap]", "[anon")):  # of no file
            begin, end = (int(edge, 16) for edge in span.split("-"))
            for address in range(-(-begin // LARGE_PAGE) * LARGE_PAGE, end - LARGE_PAGE + 1, LARGE_PAGE):
                # Linux before 6.1 refuses, and so does a page that is nearly empty: no harm is done.
                madvise(ctypes.c_void_p(address), ctypes.c_size_t(LARGE_PAGE), MADV_COLLAPSE)


def start(control: socket.socket, request: dict[str, Any], descriptors: list[int]) -> dict[str, int]:
    pid = os.fork()
    if pid == 0:
        status = 70
        try:
            control.close()
            prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            os.setsid()
            import worker  # warm already

            requests, replies, output, noted = descriptors
            worker.enter(requests, replies, output, noted=noted, **request)
            status = 0
        finally:
            os._exit(status)
    for descriptor in descriptors:
        os.close(descriptor)
    return {"pid": pid}


def stop(pid: int, alive: set[int]) -> dict[str, Any]:
    """Kill a process with all it started or left behind, and reap them. Returns the facts about `pid`.

    alive  other processes that were started; what is below this one and is none of them has no business
           here. One that does not die in time joins them, so that nobody waits for it again.
    """
    facts, until = {"status": None, "maxrss_kb": 0, "cpu_s": 0.0}, time.monotonic() + KILL_SECONDS
    while doomed := [child for child in children() if child not in alive]:
        if time.monotonic() > until:
            alive.update(doomed)
            return facts | {"stuck": True}
        for child in doomed:
            os.kill(child, signal.SIGKILL)
            reaped, status, usage = os.wait4(child, os.WNOHANG)
            if reaped == pid:
                cpu = round(usage.ru_utime + usage.ru_stime, 3)
                facts = {"status": os.waitstatus_to_exitcode(status), "maxrss_kb": usage.ru_maxrss, "cpu_s": cpu}
        time.sleep(0.001)
    return facts


def children() -> list[int]:
    """Direct children; what they leave behind becomes a direct child when they die."""
    return [int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]


def main(descriptor: int) -> None:
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    control = socket.socket(fileno=descriptor)
    alive = set()  # processes that were started and not yet stopped
    starts = 0
    warm()
    with contextlib.suppress(ConnectionError):  # the grader is gone: so is all there was to do
        control.send(b"{}")
        while True:
            message, descriptors, _, _ = socket.recv_fds(control, 1 << 16, 4)
            if not message:
                break
            request = json.loads(message)
            if "start" in request:
                starts += 1
                if starts == MANY:
                    use_large_pages()
                reply = start(control, request["start"], descriptors)
                alive.add(reply["pid"])
            elif "look" in request:
                reply = {"written": disk.written(request["look"])}
            else:
                alive.discard(request["stop"])
                reply = stop(request["stop"], alive)
            control.send(json.dumps(reply).encode())
    stop(0, alive=set())
    os._exit(0)  # nothing to tidy, and the exit handlers of torch's parts are slow and talkative


if __name__ == "__main__":
    main(int(sys.argv[1]))
