"""The layers that confine student code, those that this host has, and the tier they add up to.

Every layer is used where it works; one that is missing lowers the tier, never the grade.
"""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from .inside import landlock_rules, seccomp_rules

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .gpu import Access

HERE = Path(__file__).parent / "inside"
SPARE_USER = 60789  # of a range that systemd leaves unused (systemd.io/UIDS-GIDS)
TIERS = ("A", "B", "E")  # strongest first
ALL = {
    "A": "namespaces (bubblewrap), Landlock and seccomp",
    "B": "Landlock and seccomp",
    "E": "limits only: student code can read what you can read",
}


def is_weaker(tier: str, other: str) -> bool:
    """Whether a tier confines less than another."""
    return TIERS.index(tier) > TIERS.index(other)


@dataclass(frozen=True)
class Layers:
    """What to confine boxed processes with.

    bubblewrap  path of bwrap: file system, processes and network of their own
    landlock    version of Landlock in the kernel: which files may be opened
    seccomp     whether system calls are filtered
    user        the spare user that boxed processes run as when the grader is root
    missing     {layer: why it is not used here, and how to get it}
    """

    bubblewrap: str = ""
    landlock: int = 0
    seccomp: bool = False
    user: int | None = None
    missing: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of_this_host(cls) -> Layers:
        """All that works here; each layer is tried."""
        if sys.platform != "linux":
            return cls(missing={"Linux": f"{sys.platform} has nothing to confine with; use Linux, a container or WSL2"})
        missing: dict[str, str] = {}
        user = spare_user(missing)
        return cls(
            bubblewrap=bubblewrap(user, missing),
            landlock=landlock(missing),
            seccomp=seccomp(missing),
            user=user,
            missing=missing,
        )

    @property
    def tier(self) -> str:
        """What these layers promise, if the self-test agrees."""
        if self.landlock and self.seccomp:
            return "A" if self.bubblewrap else "B"
        return "E"

    @cached_property
    def readable(self) -> list[str]:
        """Files and folders that Python, torch and the system's libraries lie in."""
        packages = [path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")]
        python = [sys.prefix, sys.base_prefix, *packages]
        paths = [*landlock_rules.SYSTEM, *python, *map(os.path.realpath, python)]
        return [path for path in dict.fromkeys(paths) if os.path.exists(path)]

    def prefix(self, spool: str | Path, near: Access | None = None, tied: bool = False) -> list[str | Path]:
        """The command line that puts a program into namespaces of its own, with nothing to see but what it needs.

        near  for a process that is let near the GPU
        tied  whether it ends with the thread that started it; otherwise it must end by itself
        """
        if not self.bubblewrap:
            return []
        command = [self.bubblewrap, "--unshare-all", "--new-session", "--cap-drop", "ALL"]
        command += ["--die-with-parent"] * tied
        command += ["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"]
        for path in [*self.readable, *(self.lacking(near.readable) if near else ())]:
            if os.path.islink(path):
                command += ["--symlink", os.readlink(path), path]
            else:
                command += ["--ro-bind-try", path, path]
        if near:
            command += ["--ro-bind", "/sys", "/sys"]
            for node in near.nodes:
                command += ["--dev-bind", node, node]
        return [*command, "--ro-bind", HERE, HERE, "--bind", spool, spool, "--chdir", "/", "--"]

    def lacking(self, paths: Iterable[str]) -> list[str]:
        """Those of these paths that do not come with a folder which every boxed process sees."""
        seen = ("/proc", "/sys", *self.readable)
        return [path for path in paths if not any(Path(path).is_relative_to(folder) for folder in seen)]


def bubblewrap(user: int | None, missing: dict[str, str]) -> str:
    """The path of a bwrap that works here, or ""."""
    path = shutil.which("bwrap")
    if not path:
        missing["bubblewrap"] = "bwrap is not installed; `apt-get install bubblewrap` or `dnf install bubblewrap`"
        return ""
    with tempfile.TemporaryDirectory() as spool:
        os.chmod(spool, 0o711)
        command = [*Layers(path).prefix(spool), sys.executable, "-I", "-S", "-c", ""]
        tried = subprocess.run(command, cwd="/", capture_output=True, text=True, **as_user(user))
    if tried.returncode:
        said = (tried.stderr.strip().splitlines() or ["no reason given"])[-1].partition(", likely")[0][:150]
        missing["bubblewrap"] = (
            f"bwrap does not work here ({said}). Containers forbid it as a rule; on Ubuntu 23.10 and later "
            "`sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0` allows it"
        )
        return ""
    return path


def landlock(missing: dict[str, str]) -> int:
    """The version of Landlock in the kernel, 0 where it cannot be used."""
    if not landlock_rules.landlockpy:
        missing["Landlock"] = "the Python package landlockpy is missing; `pip install landlockpy`"
    elif not landlock_rules.version():
        missing["Landlock"] = "this kernel offers none; it needs Linux 5.13 or later, with landlock in its `lsm=` list"
    return landlock_rules.version()


def seccomp(missing: dict[str, str]) -> bool:
    """Whether system calls can be filtered."""
    if not seccomp_rules.pyseccomp:
        missing["seccomp"] = f"{seccomp_rules.PROBLEM}; `pip install pyseccomp` and `apt-get install libseccomp2`"
    return bool(seccomp_rules.pyseccomp)


def spare_user(missing: dict[str, str]) -> int | None:
    """A user that boxed processes can run as when this is root, if there is one."""
    import pwd  # Windows has none

    if os.getuid() != 0:
        return None
    packages = [cast("str", spec.origin) for spec in map(find_spec, ("torch", "numpy", "msgpack")) if spec]
    needed = [sys.executable, sys.prefix, sys.base_prefix, *packages, HERE, tempfile.gettempdir()]
    closed = next((place for path in needed if (place := closed_to_others(path))), None)
    if closed:
        missing["spare user"] = f"only root may enter {closed}, which grading needs; boxed processes stay root"
        return None
    try:
        pwd.getpwuid(SPARE_USER)
    except KeyError:
        pass
    else:
        missing["spare user"] = f"user {SPARE_USER} is somebody here; boxed processes stay root"
        return None
    try:
        subprocess.run(["true"], check=True, **as_user(SPARE_USER))
    except (OSError, subprocess.SubprocessError) as error:
        missing["spare user"] = f"root may not change its user here ({error}); boxed processes stay root"
        return None
    return SPARE_USER


def closed_to_others(path: str | Path) -> Path | None:
    """The first folder on the way to a path, or the path itself, that other users may not enter; None if they may."""
    path = Path(os.path.realpath(path))
    for place in (*reversed(path.parents), path):
        mode = place.stat().st_mode
        if not mode & (stat.S_IXOTH if stat.S_ISDIR(mode) else stat.S_IROTH):  # pyrefly: ignore[missing-attribute]
            return place
    return None


def as_user(user: int | None, groups: Iterable[int] = ()) -> dict[str, Any]:
    """What subprocess needs to run as another user, and as a member of some groups."""
    return {} if user is None else {"user": user, "group": user, "extra_groups": list(groups)}


def tasks_of(user: int | None) -> int:
    """How many threads a user has on this machine, which RLIMIT_NPROC counts; 0 where there is no /proc."""
    count = 0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if process.stat().st_uid == user:
                count += len(os.listdir(process / "task"))
        except OSError:  # it ended while we looked
            pass
    return count
