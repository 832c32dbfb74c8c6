"""Run a command as Docker runs one by default, as far as it matters to the box: root with Docker's 14 capabilities, and
without the system calls that make namespaces. `python tests/as_container.py COMMAND ...`, as root.

An imitation: no images, no cgroups, no network of its own, and of Docker's list of denied calls only these.
"""

import errno
import os
import sys

import pyseccomp
from pyseccomp import Arg

CAPABILITIES = (
    "chown dac_override fowner fsetid kill setgid setuid setpcap net_bind_service net_raw sys_chroot mknod audit_write "
    "setfcap"
).split()
NAMESPACE_FLAGS = (0x00020000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000)

rules = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
rules.set_attr(pyseccomp.Attr.CTL_NNP, 0)  # Docker leaves setuid programs working
for call in ("unshare", "setns", "mount", "umount2", "pivot_root", "fsopen", "move_mount", "open_tree"):
    rules.add_rule(pyseccomp.ERRNO(errno.EPERM), call)
for flag in NAMESPACE_FLAGS:
    rules.add_rule(pyseccomp.ERRNO(errno.EPERM), "clone", Arg(0, pyseccomp.MASKED_EQ, flag, flag))
rules.add_rule(pyseccomp.ERRNO(errno.ENOSYS), "clone3")
rules.load()
kept = ",".join(["-all", *(f"+{name}" for name in CAPABILITIES)])
os.execvp("setpriv", ["setpriv", f"--bounding-set={kept}", "--inh-caps=-all", "--", *sys.argv[1:]])
