"""A submission that tries what the box forbids: the self-test stages this file and runs it like a student's.

Each attempt is a method, its docstring the name that staff read; one that returns has worked, one that raises was
blocked. Where nothing is confined they all work, so none may do harm: signals have number 0, limits are only asked for.
"""

import ctypes
import os
import signal
import socket
import subprocess


class Canary:
    """
    hidden    a file that only the grader may know
    secrets   other files that must stay closed, a line each
    outside   a folder that everybody may write to
    grader    process id of the grader
    tcp, udp  ports on loopback that the grader listens on; unix, a socket in the file system
    """

    def __init__(self, hidden: str, secrets: str, outside: str, grader: int, tcp: int, udp: int, unix: str) -> None:
        self.hidden, self.secrets, self.outside, self.grader = hidden, secrets, outside, grader
        self.tcp, self.udp, self.unix = tcp, udp, unix

    def worked(self) -> str:
        """The names of the attempts that worked, a line each."""
        return "\n".join(name for name in self.attempts() if self.works(name))

    def attempts(self) -> list[str]:
        return [name for name, value in vars(Canary).items() if callable(value) and value.__doc__ and name[:2] == "x_"]

    def works(self, name: str) -> bool:
        try:
            getattr(self, name)()
        except Exception:
            return False
        return True

    def x_read(self) -> None:
        """read a file outside of the box"""
        open(self.hidden).read()

    def x_secrets(self) -> None:
        """read the reference, the seed or the recorded expectations"""
        for path in self.secrets.split("\n"):
            try:
                open(path, "rb").read(1)
                return
            except OSError:
                pass
        raise OSError

    def x_list(self) -> None:
        """list a folder outside of the box"""
        os.listdir(os.path.dirname(self.hidden))

    def x_write(self) -> None:
        """write outside of its scratch folder"""
        with open(os.path.join(self.outside, "written"), "w") as file:
            file.write("x")

    def x_own_code(self) -> None:
        """change the submission's own files"""
        open(__file__, "a").close()

    def x_chmod(self) -> None:
        """change the mode of a file"""
        os.chmod(self.outside, 0o777)

    def x_tcp(self) -> None:
        """connect over TCP"""
        socket.create_connection(("127.0.0.1", self.tcp), 1).close()

    def x_udp(self) -> None:
        """send over UDP"""
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", self.udp))

    def x_unix(self) -> None:
        """connect to a socket in the file system"""
        socket.socket(socket.AF_UNIX).connect(self.unix)

    def x_unix_datagram(self) -> None:
        """send to a socket in the file system"""
        socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)[0].sendto(b"x", self.unix)

    def x_fork(self) -> None:
        """start a process"""
        pid = os.fork()
        if pid == 0:
            os._exit(0)
        os.waitpid(pid, 0)

    def x_exec(self) -> None:
        """run a program"""
        subprocess.run(["/bin/true"], check=True)

    def x_signal(self) -> None:
        """signal the grader"""
        os.kill(self.grader, 0)

    def x_signal_all(self) -> None:
        """signal every process"""
        os.kill(-1, 0)

    def x_environment(self) -> None:
        """read the grader's environment"""
        open(f"/proc/{self.grader}/environ", "rb").read()

    def x_processes(self) -> None:
        """list the processes of this machine"""
        os.listdir("/proc")

    def x_limits(self) -> None:
        """ask for, and so change, the limits of the grader"""
        import resource

        resource.prlimit(self.grader, resource.RLIMIT_CPU)

    def x_raise(self) -> None:
        """raise its own limits"""
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (1 << 20, 1 << 20))

    def x_trace(self) -> None:
        """trace itself or others"""
        if ctypes.CDLL(None, use_errno=True).ptrace(0, 0, 0, 0) == -1:
            raise OSError

    def x_shared_memory(self) -> None:
        """make memory that outlives it"""
        segment = ctypes.CDLL(None).shmget(0, 4096, 0o1600)
        if segment == -1:
            raise OSError
        ctypes.CDLL(None).shmctl(segment, 0, None)

    def x_memory_file(self) -> None:
        """make a file in memory"""
        os.close(os.memfd_create("x"))

    def x_survive(self) -> None:
        """outlive the process that started it"""
        if ctypes.CDLL(None).prctl(1, 0, 0, 0, 0) == -1:
            raise OSError

    def x_privilege(self) -> None:
        """keep a privilege of root"""
        with open("/proc/self/status") as file:
            effective = next(line.split()[1] for line in file if line.startswith("CapEff"))
        if int(effective, 16) == 0:
            raise OSError

    def x_io_signal(self) -> None:
        """have the kernel signal another process"""
        import fcntl

        fcntl.fcntl(0, fcntl.F_SETOWN, os.getppid())
        fcntl.fcntl(0, fcntl.F_SETSIG, signal.SIGCONT)
