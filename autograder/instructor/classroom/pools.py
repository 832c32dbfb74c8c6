"""Where jobs run: worker processes of this machine, or the workers of a Dask cluster. Both are executors as
concurrent.futures knows them; training that needs a GPU has one of its own."""

import logging
import multiprocessing
import os
from concurrent.futures import Executor, ProcessPoolExecutor
from typing import Any

from . import working


def cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Local:
    """Worker processes of this machine.

    workers  how many; one per core by default
    """

    def __init__(self, workers: int | None = None) -> None:
        self.workers = workers or cores()
        self.executors: dict[bool, ProcessPoolExecutor] = {}

    def executor(self, gpu: bool = False, width: int | None = None) -> Executor:
        """The one for jobs on cores, or for jobs that share the GPU, `width` at a time."""
        if gpu not in self.executors:
            context = multiprocessing.get_context("spawn")  # the box needs processes that no thread was copied into
            workers = width or self.workers
            self.executors[gpu] = ProcessPoolExecutor(workers, context, initializer=working.prepare)
        return self.executors[gpu]

    def training(self) -> Executor:
        """An executor that knows whether there is a GPU."""
        return self.executor()

    def width(self) -> int:
        """How many jobs to hand out at once to the cores."""
        return self.workers

    def renew(self, spoiled: Executor) -> None:
        """Replace an executor: a worker that is killed from outside spoils it."""
        self.executors = {gpu: executor for gpu, executor in self.executors.items() if executor is not spoiled}

    def close(self, at_once: bool = False) -> None:
        """at_once  do not wait for the jobs that are running; nobody will ask for them"""
        for executor in self.executors.values():
            executor.shutdown(wait=False, cancel_futures=True)
        for worker in multiprocessing.active_children() if at_once else ():
            worker.kill()


class Cluster:
    """The workers of a Dask scheduler, which may come and go. It gives jobs of workers that were lost to others.

    address  of the scheduler, such as tcp://host:8786
    Raises Stop when there is none.
    """

    def __init__(self, address: str) -> None:
        try:
            from distributed import Client
        except ImportError:
            raise working.Stop("--cluster needs dask: pip install -e '.[cluster]'") from None
        logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what matters is told by us, without a traceback
        try:
            self.client = Client(address, timeout="20s", set_as_default=False)
        except (OSError, ValueError) as error:
            raise working.Stop(f"There is no Dask scheduler at {address} ({error}).") from None
        self.gpu = any("GPU" in worker["resources"] for worker in self.workers().values())

    def workers(self) -> dict[str, dict[str, Any]]:
        return self.client.scheduler_info(n_workers=-1)["workers"]

    def executor(self, gpu: bool = False, width: int | None = None) -> Executor:
        """`width` plays no part: how many jobs share a GPU is what its worker says, as --resources GPU=2."""
        return self.client.get_executor(**({"resources": {"GPU": 1}} if gpu and self.gpu else {}))

    def training(self) -> Executor:
        return self.executor(gpu=True)

    def width(self) -> int:
        """Twice as many as there are threads, so that none waits for a job; at least one while there are none."""
        return max(1, 2 * sum(worker["nthreads"] for worker in self.workers().values()))

    def renew(self, spoiled: Executor) -> None:
        """Nothing to do: the scheduler sees to it."""

    def close(self, at_once: bool = False) -> None:
        self.client.close()
