"""This package on a system that lacks what only Unix has: python -m tests.foreign

What Unix alone has is hidden from this package's own imports. Other packages see the system as it
is: they have their own ways on Windows, which only Windows can show.
"""

from __future__ import annotations

import builtins
import importlib
import os
import pkgutil
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

MODULES = frozenset(
    ("fcntl", "grp", "posix", "pty", "pwd", "readline", "resource", "syslog", "termios", "tty")
)
"""Of the standard library, that Windows lacks."""

OF_OS = """
    EX_OK F_LOCK GRND_NONBLOCK O_ASYNC O_CLOEXEC O_DIRECT O_DIRECTORY O_DSYNC O_NDELAY O_NOATIME
    O_NOCTTY O_NOFOLLOW O_NONBLOCK O_PATH O_SYNC P_PID RTLD_LAZY SCHED_OTHER ST_RDONLY
    WEXITSTATUS WIFEXITED WIFSIGNALED WNOHANG WTERMSIG chown chroot confstr ctermid fchdir
    fchown fdatasync fork forkpty fpathconf fstatvfs getegid geteuid getgid getgroups getloadavg
    getpgid getpgrp getpriority getresuid getsid getuid getxattr initgroups killpg lchown lockf
    major makedev memfd_create minor mkfifo mknod mremap nice openpty pathconf pidfd_open pipe2
    posix_fadvise posix_fallocate posix_spawn posix_spawnp pread preadv pwrite pwritev
    register_at_fork sched_getaffinity sched_setaffinity sched_yield sendfile setegid seteuid
    setgid setpgid setpriority setsid setuid setxattr splice statvfs sync sysconf tcgetpgrp
    tcsetpgrp ttyname uname wait wait3 wait4 waitid writev
"""
OF_SIGNAL = """
    SIGALRM SIGBUS SIGCHLD SIGCONT SIGHUP SIGIO SIGKILL SIGPIPE SIGPROF SIGQUIT SIGRTMIN SIGSTOP
    SIGSYS SIGTRAP SIGTSTP SIGTTIN SIGTTOU SIGURG SIGUSR1 SIGUSR2 SIGVTALRM SIGWINCH SIGXCPU
    SIGXFSZ ITIMER_REAL SIG_BLOCK alarm getitimer pause pthread_kill pthread_sigmask setitimer
    siginterrupt sigpending sigtimedwait sigwait sigwaitinfo
"""
LACKING = {
    "os": frozenset(OF_OS.split()),
    "signal": frozenset(OF_SIGNAL.split()),
    "socket": frozenset(("AF_UNIX", "SO_REUSEPORT", "socketpair", "CMSG_LEN", "send_fds")),
    "time": frozenset(("clock_settime", "pthread_getcpuclockid", "tzset", "CLOCK_MONOTONIC")),
}
"""What the modules that both have lack on Windows; macOS lacks some of it."""


def bare(module: ModuleType) -> ModuleType:
    """Return a module as it is on a system that lacks what Unix alone has."""
    lacking = LACKING[module.__name__]
    found = ModuleType(module.__name__, module.__doc__)
    found.__dict__.update({name: one for name, one in vars(module).items() if name not in lacking})
    return found


def hide() -> None:
    """Hide it from all that this package imports from now on."""
    real, bares = builtins.__import__, {name: bare(sys.modules[name]) for name in LACKING}

    def importing(
        name: str,
        globals: Mapping[str, Any] | None = None,
        locals: Mapping[str, Any] | None = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> ModuleType:
        found = real(name, globals, locals, fromlist or (), level)
        if str((globals or {}).get("__name__", "")).partition(".")[0] != "mineralsweep":
            return found
        if level == 0 and name in MODULES:
            raise ModuleNotFoundError(f"No module named '{name}'", name=name)
        return bares.get(name, found) if level == 0 else found

    builtins.__import__ = importing


def modules() -> Iterator[str]:
    """Give the name of every module of the package."""
    import mineralsweep

    yield "mineralsweep"
    for one in pkgutil.walk_packages(mineralsweep.__path__, "mineralsweep."):
        yield one.name


def main() -> None:
    """Import every module; then do what a system without Unix's own does in another way."""
    import socket
    import time

    assert socket
    assert time
    hide()
    names = list(modules())
    for name in names:
        importlib.import_module(name)
    from mineralsweep import allocator, files, machine
    from mineralsweep.executors import worker

    assert not hasattr(files.os, "fork")
    assert hasattr(os, "fork")
    assert hasattr(signal, "SIGKILL")
    assert machine.cores() == os.cpu_count()
    assert allocator.os.name == "posix"
    files.reserve(Path("zeros"), 3 * 2**20 + 5)
    assert Path("zeros").read_bytes() == bytes(3 * 2**20 + 5)
    with files.exclusive(Path("lock")):
        files.write_atomically(Path("text"), lambda path: path.write_text("é", encoding="utf-8"))
    worker.die_with(os.getppid())
    print(f"{len(names)} modules")


if __name__ == "__main__":
    main()
