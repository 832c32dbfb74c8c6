"""seccomp: which system calls the boxed process may make. A thin adapter to the package pyseccomp, over libseccomp.

A list of what is denied, not of what is allowed: torch and its libraries call more than anyone could list. What is
denied is what reaches another process, the network, or what a file is rather than what it holds; Landlock
decides about the rest. Imported by the boxed process, and by host.py to see whether it is there.
"""

import contextlib
import errno
import os
import socket

try:
    import pyseccomp
    from pyseccomp import ERRNO, MASKED_EQ, NE, Arg
except (ImportError, OSError, RuntimeError) as error:  # not installed, or no libseccomp on this system
    pyseccomp, PROBLEM = None, f"it cannot be loaded ({error})"

DENIED = """
    fork vfork execve execveat
    ptrace process_vm_readv process_vm_writev process_madvise process_mrelease pidfd_open pidfd_getfd pidfd_send_signal
    kcmp tkill rt_sigqueueinfo rt_tgsigqueueinfo setpriority ioprio_set
    sched_setscheduler sched_setattr sched_setparam move_pages migrate_pages
    connect bind listen accept accept4 sendmmsg
    memfd_create memfd_secret shmget shmat semget msgget mq_open
    io_uring_setup io_uring_enter io_uring_register io_setup userfaultfd perf_event_open bpf
    unshare setns mount umount2 pivot_root chroot open_tree move_mount fsopen fspick mount_setattr personality
    open_by_handle_at name_to_handle_at keyctl add_key request_key
    chmod fchmod fchmodat fchmodat2 chown fchown lchown fchownat truncate mknod mknodat
    setxattr lsetxattr fsetxattr removexattr lremovexattr fremovexattr
    utime utimes utimensat futimesat
    syslog inotify_init inotify_init1 fanotify_init quotactl acct swapon swapoff reboot
    init_module finit_module delete_module kexec_load settimeofday clock_settime sethostname setdomainname
""".split()
# CUDA starts with an abstract unix socket of its own and a memfd; connect and accept stay denied.
NEEDED_BY_CUDA = {"memfd_create", "bind", "listen"}
# Calls whose flags lie in memory, out of a filter's sight, and calls newer than this list. "No such call" makes callers
# fall back to the older one.
UNKNOWN = ("clone3", "openat2", *range(463, 512))

CLONE_THREAD = 0x10000
PR_SET_PDEATHSIG = 1
F_SETOWN, F_SETSIG, F_SETOWN_EX, FIOSETOWN, SIOCSPGRP = 8, 10, 15, 0x8901, 0x8902
WORD = 0xFFFFFFFF  # the kernel looks at the lower 32 bits of these arguments only
O_ACCMODE = 3
TRUNCATE_ON_READ = (os.O_TRUNC | O_ACCMODE, os.O_TRUNC)  # truncates what may only be read, on old Landlock


def restrict(gpu):
    """From here on this process cannot make the calls above, and can signal and limit nobody but itself."""
    rules = pyseccomp.SyscallFilter(pyseccomp.ALLOW)

    def deny(call, *arguments, error=errno.EPERM):
        with contextlib.suppress(OSError, ValueError):  # a name that this libseccomp or this processor does not have
            rules.add_rule(ERRNO(error), call, *arguments)

    def deny_masked(call, index, mask, value):
        deny(call, Arg(index, MASKED_EQ, mask, value))

    for call in DENIED:
        if not (gpu and call in NEEDED_BY_CUDA):
            deny(call)
    for call in UNKNOWN:
        deny(call, error=errno.ENOSYS)
    for call, own in (("kill", os.getpid()), ("tgkill", os.getpid()), ("prlimit64", 0), ("sched_setaffinity", 0)):
        deny(call, Arg(0, NE, own))
    deny_masked("clone", 0, CLONE_THREAD, 0)  # threads, and no processes
    deny_masked("open", 1, *TRUNCATE_ON_READ)
    deny_masked("openat", 2, *TRUNCATE_ON_READ)
    deny_masked("prctl", 0, WORD, PR_SET_PDEATHSIG)  # it dies with its parent
    for command in (F_SETOWN, F_SETOWN_EX, F_SETSIG):  # signals to others by way of a descriptor
        deny_masked("fcntl", 1, WORD, command)
    for command in (FIOSETOWN, SIOCSPGRP):
        deny_masked("ioctl", 1, WORD, command)
    if gpu:
        deny("socket", Arg(0, NE, socket.AF_UNIX))
        deny_masked("socket", 1, socket.SOCK_DGRAM, socket.SOCK_DGRAM)
    else:
        deny("socket")
    deny_masked("socketpair", 1, socket.SOCK_DGRAM, socket.SOCK_DGRAM)  # its sendto reaches any path
    rules.load()
