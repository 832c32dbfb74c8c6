"""Where jobs run: worker processes of this machine, the workers of a Dask cluster, or jobs of Slurm. All are executors
as concurrent.futures knows them; training that needs a GPU has one of its own."""

import logging
import multiprocessing
import os
import shlex
import shutil
import sys
from concurrent.futures import Executor, ProcessPoolExecutor
from pathlib import Path
from typing import Any

from ...paths import ROOT
from . import working

# What a job of Slurm can ask for, and what it asks for by itself.
KNOWN = ("cores", "memory", "jobs", "time", "queue", "account")
DEFAULTS = {"cores": "1", "memory": "4GB", "jobs": "1", "time": "02:00:00"}


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


class Slurm(Cluster):
    """The workers of a Dask scheduler in this process, started by Slurm as jobs: a job that is lost is submitted again,
    and all end with this run.

    wanted  what each job asks for, and how many: cores, memory, jobs, time, queue, account; as text
    logs    a folder for what the jobs print
    Raises Stop where there is no Slurm, or no such thing to ask for.
    """

    def __init__(self, wanted: dict[str, str], logs: Path) -> None:
        if unknown := wanted.keys() - set(KNOWN):
            raise working.Stop(f"--slurm knows no {', '.join(sorted(unknown))}; it knows {', '.join(KNOWN)}.")
        if not shutil.which("sbatch"):
            raise working.Stop("--slurm needs Slurm: there is no sbatch on this host.")
        try:
            from dask_jobqueue import SLURMCluster
        except ImportError:
            raise working.Stop("--slurm needs dask-jobqueue: pip install -e '.[cluster]'") from None
        asked = DEFAULTS | wanted
        try:
            cores, jobs = int(asked["cores"]), int(asked["jobs"])
            logging.getLogger("distributed").setLevel(logging.CRITICAL)
            self.cluster = SLURMCluster(
                cores=cores, processes=cores, memory=asked["memory"], walltime=asked["time"],
                queue=asked.get("queue"), account=asked.get("account"), job_name="ddpm-homework",
                python=shlex.quote(sys.executable), job_script_prologue=[f"cd {shlex.quote(str(ROOT))}"],
                log_directory=str(logs), scheduler_options={"dashboard": False}, silence_logs="critical",
            )  # fmt: skip
        except (ValueError, OSError) as error:
            raise working.Stop(f"--slurm cannot be used so: {error}") from None
        self.cluster.adapt(minimum_jobs=jobs, maximum_jobs=jobs)  # unlike scale, it replaces a job that is lost
        super().__init__(self.cluster.scheduler_address)

    def close(self, at_once: bool = False) -> None:
        super().close()
        self.cluster.close()
