"""Child processes: free ports, dropping root, ending with the parent, and reliable stopping."""

from __future__ import annotations

import ctypes
import os
import pwd
import random
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Optional

from .fetch import Failure

PR_SET_PDEATHSIG = 1


def runtime_user() -> Optional[pwd.struct_passwd]:
    """The user that servers run as; None for the current one, unless it is root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise Failure("PostgreSQL does not run as root, and there is no user `postgres` or `nobody` to run it as")


def user_arguments(user: Optional[pwd.struct_passwd]) -> dict:
    """Arguments for subprocess that drop root for that user."""
    if user is None:
        return {}
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def environment(**more: str) -> dict[str, str]:
    """Our environment without variables that would affect PostgreSQL's programs."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PG", "AWS_")) and not k.startswith("LC_")}
    kept.update(LC_ALL="C", **more)
    return kept


def free_port(below: int = 50000) -> int:
    """A port on 127.0.0.1 that is free, as is the one 10000 above it (SeaweedFS uses both). It is
    below the kernel's range for outgoing connections, if possible."""
    for _ in range(200):
        port = random.randint(15000, below)
        if _is_free(port) and _is_free(port + 10000):
            return port
    raise Failure("no free port on 127.0.0.1")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def spawn(command: list, *, log: Path, cwd: Path, env: dict, die_with_parent: Optional[int]) -> subprocess.Popen:
    """Starts a server in its own process group, as the runtime user, with its output in `log`.

    `die_with_parent` is the signal that the kernel sends it when we end, however abruptly. It belongs
    to the calling *thread*, so this must run on the main one. setuid clears it, so root is dropped
    first."""
    user = runtime_user()
    libc = ctypes.CDLL(None, use_errno=True)

    def prepare() -> None:
        if user is not None:
            os.setgroups([])
            os.setgid(user.pw_gid)
            os.setuid(user.pw_uid)
        if die_with_parent is not None:
            libc.prctl(PR_SET_PDEATHSIG, die_with_parent, 0, 0, 0)

    with open(log, "ab") as output:
        return subprocess.Popen(
            [str(part) for part in command], cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=output,
            stderr=subprocess.STDOUT, start_new_session=True, preexec_fn=prepare,
        )


def is_alive(pid: int, marker: str) -> bool:
    """Whether the process is still running and is the right one, with `marker` in its command line."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
        command = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
    except OSError:
        return False
    is_zombie = status.rpartition(")")[2].split()[0] == "Z"
    return not is_zombie and marker in command


def stop(pid: int, marker: str, first: int = signal.SIGTERM, patience_seconds: float = 10) -> None:
    """Stops the process, gracefully at first, and waits until it is gone."""
    for number, patience in ((first, patience_seconds), (signal.SIGKILL, 5.0)):
        if not is_alive(pid, marker):
            return
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            try:
                os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                pass
            if not is_alive(pid, marker):
                return
            time.sleep(0.02)
    raise Failure(f"process {pid} ({marker}) did not stop")
