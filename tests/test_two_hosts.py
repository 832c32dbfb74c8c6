"""A class on the workers of two hosts, one of which drops off the network on the way: no grade changes. The hosts are
network namespaces of this machine, with a switch between them and the one that runs the class."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from test_classroom import class_of, finish, hidden_file, mixed, same_grades, start, written

from autograder.instructor.classroom.keeping import Kept
from autograder.instructor.store import Store
from autograder.paths import ROOT

__all__ = ["hidden_file"]  # a fixture
NETWORK = "10.213.77"
SIZE = 24


def ip(*words):
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


class Hosts:
    """Two of them, called by their names, and this machine at address 1."""

    def __init__(self):
        self.switch, self.names = f"ddpm{os.getpid()}"[:14], []
        ip("link", "add", self.switch, "type", "bridge")
        ip("address", "add", f"{NETWORK}.1/24", "dev", self.switch)
        ip("link", "set", self.switch, "up")

    def add(self, name):
        """Returns its address."""
        self.names.append(name)
        cable, plug, address = f"{name}-cable", f"{name}-plug", f"{NETWORK}.{len(self.names) + 1}"
        ip("netns", "add", name)
        ip("link", "add", cable, "type", "veth", "peer", "name", plug, "netns", name)
        ip("link", "set", cable, "master", self.switch, "up")
        ip("-n", name, "address", "add", f"{address}/24", "dev", plug)
        for device in ("lo", plug):
            ip("-n", name, "link", "set", device, "up")
        return address

    def unplug(self, name):
        """Its packets are lost from now on. No connection is closed: who waits for it has to notice."""
        ip("link", "set", f"{name}-cable", "down")

    def close(self):
        for name in self.names:
            subprocess.run(["ip", "netns", "del", name], capture_output=True)
        subprocess.run(["ip", "link", "del", self.switch], capture_output=True)


@pytest.fixture
def hosts():
    if not shutil.which("ip"):
        pytest.skip("needs ip: iproute2 of Debian")
    made = None
    try:
        made = Hosts()
        made.add("ddpm-one")
        made.add("ddpm-two")
    except subprocess.CalledProcessError as refused:
        if made:
            made.close()
        pytest.skip(f"needs network namespaces: {' '.join(refused.cmd)}: {refused.stderr.strip()}")
    yield made
    made.close()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_host_that_drops_off_the_network_changes_no_grade(hosts, hidden_file, tmp_path):
    pytest.importorskip("distributed")
    subs = class_of(SIZE, tmp_path / "subs", mixed("sys_exit", "segfault"))
    file = tmp_path / "scheduler.json"
    command = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", f"{NETWORK}.1", "--port", "0"]
    started = [subprocess.Popen([*command, "--no-dashboard", "--scheduler-file", str(file)])]
    environment = {**os.environ, "HIDDEN_OF_THE_TEST": str(hidden_file), "PYTHONPATH": str(ROOT), "SLOW": "1"}
    try:
        while not file.exists():
            time.sleep(0.1)
        address = json.loads(file.read_text(encoding="utf-8"))["address"]
        for name in hosts.names:
            worker = [sys.executable, str(Path(__file__).with_name("classroom.py")), "worker", address]
            started.append(subprocess.Popen(["ip", "netns", "exec", name, *worker], env=environment))
        process = start(hidden_file, "grade", subs, "--exact", "--cluster", address, "--class", tmp_path / "cluster")
        store = Store(tmp_path / "cluster" / "kept", Kept)
        while process.poll() is None and len(written(store)) < SIZE // 3:
            time.sleep(0.05)
        assert len(written(store)) < SIZE
        hosts.unplug("ddpm-two")
        done = finish(process)
        assert done.returncode == 0, done.out
    finally:
        for each in started:
            each.kill()
            each.wait()
    done = finish(start(hidden_file, "grade", subs, "--exact", "--class", tmp_path / "local"))
    assert done.returncode == 0, done.out
    same_grades(tmp_path / "cluster", tmp_path / "local", SIZE)
