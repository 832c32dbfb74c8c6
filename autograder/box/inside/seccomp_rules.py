"""seccomp: which system calls the boxed process may make. A thin adapter to the package pyseccomp, over libseccomp.

A list of what is denied, not of what is allowed: torch and its libraries call more than anyone could list. What is
denied is what reaches another process, the network, or what a file is rather than what it holds, what others must wait
for, and what is counted for all processes of a user; Landlock decides about the rest. Only fcntl and ioctl, each a
hundred calls in one, have a list of what is allowed. Imported by the boxed process, and by host.py to see whether it is
there.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
from typing import TYPE_CHECKING

try:
    import pyseccomp
    from pyseccomp import ERRNO, MASKED_EQ, NE, Arg
except (ImportError, OSError, RuntimeError) as error:  # not installed, or no libseccomp on this system
    pyseccomp, PROBLEM = None, f"it cannot be loaded ({error})"

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

DENIED = """
    fork vfork execve execveat
    ptrace process_vm_readv process_vm_writev process_madvise process_mrelease pidfd_open pidfd_getfd pidfd_send_signal
    kcmp tkill rt_sigqueueinfo rt_tgsigqueueinfo setpriority ioprio_set
    sched_setscheduler sched_setattr sched_setparam move_pages migrate_pages
    connect bind listen accept accept4 sendmsg sendmmsg
    memfd_create memfd_secret shmget shmat semget msgget mq_open
    io_uring_setup io_uring_enter io_uring_register io_setup userfaultfd perf_event_open bpf
    sync syncfs timer_create modify_ldt
    unshare setns mount umount2 pivot_root chroot open_tree move_mount fsopen fspick mount_setattr personality
    open_by_handle_at name_to_handle_at keyctl add_key request_key
    chmod fchmod fchmodat fchmodat2 chown fchown lchown fchownat truncate mknod mknodat
    setxattr lsetxattr fsetxattr removexattr lremovexattr fremovexattr
    utime utimes utimensat futimesat flock
    syslog inotify_init inotify_init1 fanotify_init quotactl acct swapon swapoff reboot
    init_module finit_module delete_module kexec_load settimeofday clock_settime sethostname setdomainname
""".split()
# CUDA starts with an abstract unix socket of its own and a memfd; connect and accept stay denied.
NEEDED_BY_CUDA = {"memfd_create", "bind", "listen", "sendmsg", "timer_create"}
# Calls whose flags lie in memory, out of a filter's sight, calls that tell which pages of a file others have read, and
# calls newer than this list. "No such call" makes callers fall back to the older one.
UNKNOWN = ("clone3", "openat2", "preadv2", "mincore", "fadvise64", "readahead", 451, *range(463, 512))  # 451: cachestat
# Takes disk that neither the limit of a file nor its size shows. Callers fall back to writing.
UNSUPPORTED = ("fallocate",)
# F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_DUPFD_CLOEXEC, F_GETPIPE_SZ. Not: signals to others (F_SETOWN), leases
# and notices, which make others wait, locks, which tell other processes something, the size of pipes, which all
# processes of a user share.
FCNTL = (0, 1, 2, 3, 4, 1030, 1032)
# TCGETS, TIOCGWINSZ, FIONREAD, FIONBIO, FIONCLEX, FIOCLEX: what terminals, pipes and sockets are asked. Not: signals to
# others (FIOSETOWN), room on disk (FS_IOC_RESVSP), shared blocks (FICLONE), and all that a file system or driver adds.
IOCTL = (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)
# With a GPU, the driver's many are let through: denied are then those of file systems and sockets, by their letter.
DENIED_WITH_GPU = (0x58, 0x66, 0x94, 0x89)

CLONE_THREAD = 0x10000
PR_SET_PDEATHSIG, PR_SET_DUMPABLE = 1, 4
WORD = 0xFFFFFFFF  # the kernel looks at the lower 32 bits of these arguments only
O_ACCMODE = 3
TRUNCATE_ON_READ = (os.O_TRUNC | O_ACCMODE, os.O_TRUNC)  # truncates what may only be read, on old Landlock


def restrict(gpu: bool) -> None:
    """From here on this process cannot make the calls above, and can signal and limit nobody but itself."""
    assert pyseccomp is not None  # nobody asks for it where it is not
    rules = pyseccomp.SyscallFilter(pyseccomp.ALLOW)

    def deny(call: str | int, *arguments: Arg, error: int = errno.EPERM) -> None:
        with contextlib.suppress(OSError, ValueError):  # a name that this libseccomp or this processor does not have
            rules.add_rule(ERRNO(error), call, *arguments)

    def deny_masked(call: str, index: int, mask: int, value: int) -> None:
        deny(call, Arg(index, MASKED_EQ, mask, value))

    for call in DENIED:
        if not (gpu and call in NEEDED_BY_CUDA):
            deny(call)
    for call in UNKNOWN:
        deny(call, error=errno.ENOSYS)
    for call in UNSUPPORTED:
        deny(call, error=errno.EOPNOTSUPP)
    for call, own in (("kill", os.getpid()), ("tgkill", os.getpid()), ("prlimit64", 0), ("sched_setaffinity", 0)):
        deny(call, Arg(0, NE, own))
    deny_masked("clone", 0, CLONE_THREAD, 0)  # threads, and no processes
    deny_masked("open", 1, *TRUNCATE_ON_READ)
    deny_masked("openat", 2, *TRUNCATE_ON_READ)
    deny_masked("prctl", 0, WORD, PR_SET_PDEATHSIG)  # it dies with its parent
    deny_masked("prctl", 0, WORD, PR_SET_DUMPABLE)  # how much it wrote stays to be seen
    for mask, value in all_but(FCNTL):
        deny_masked("fcntl", 1, mask, value)
    for mask, value in [(0xFF00, letter << 8) for letter in DENIED_WITH_GPU] if gpu else all_but(IOCTL):
        deny_masked("ioctl", 1, mask, value)
    if gpu:
        deny("socket", Arg(0, NE, socket.AF_UNIX))
        deny_masked("socket", 1, socket.SOCK_DGRAM, socket.SOCK_DGRAM)
    else:
        deny("socket")
    deny_masked("socketpair", 1, socket.SOCK_DGRAM, socket.SOCK_DGRAM)  # its sendto reaches any path
    rules.load()


def all_but(allowed: Sequence[int]) -> Iterator[tuple[int, int]]:
    """(mask, value) pairs: a 32-bit number matches one of them, number & mask == value, unless it is allowed."""
    for bit in range(32):
        mask = WORD >> bit << bit
        kept = {number & mask for number in allowed}
        for start in {number & ~(1 << bit) for number in kept}:
            yield from ((mask, value) for value in (start, start | 1 << bit) if value not in kept)
