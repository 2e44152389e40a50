"""Runs commands, and measures what they and the server take."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Optional

#: A backend that has sent its last byte needs a moment to end, and only then counts fully.
SETTLE_SECONDS = 0.3

TIMED = Path(__file__).resolve().parent / "timed.py"


class Failure(Exception):
    """What was attempted, and why it did not work; the message is for the user."""


@dataclass(frozen=True)
class Contender:
    """One way to dump a database."""

    name: str
    #: A command for bash. `{out}` is a file or a folder that is removed afterwards; what is written there counts.
    #: Names that begin with `{kept}` are kept until the last contender has run.
    command: str
    #: A program without which the contender is left out.
    needs: Optional[str] = None
    #: A command that runs before each run, and is not measured.
    prepare: Optional[str] = None

    def is_installed(self) -> bool:
        return self.needs is None or shutil.which(self.needs) is not None


@dataclass
class Run:
    """What one run took."""

    #: In seconds.
    wall: float
    #: User and system time of all client processes, in seconds.
    client_cpu: float
    #: The same of PostgreSQL's processes.
    server_cpu: float
    #: The largest resident set of a single client process, in KiB.
    peak_kib: int
    #: The size of what was written; 0 if it went to /dev/null.
    bytes: int
    #: What the command printed on standard output.
    printed: str = ""


def server_cpu_seconds(postmaster: int) -> float:
    """CPU time of the postmaster, its running children and those it has waited for."""
    ticks = 0
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        # After the name: state, ppid, …; utime, stime, cutime, cstime are fields 14 to 17 in proc(5).
        if int(folder.name) == postmaster:
            ticks += sum(int(field) for field in fields[11:15])
        elif int(fields[1]) == postmaster:
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def _size(path: Path) -> int:
    if path.is_dir():
        return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return path.stat().st_size if path.exists() else 0


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def run(command: str, environment: dict[str, str], postmaster: int, out: Path) -> Run:
    """Runs a command whose `{out}` has been replaced by `out`. What it says on standard error is only shown if it
    fails: some contenders warn about each table."""
    reading, writing = os.pipe()
    before = server_cpu_seconds(postmaster)
    with tempfile.TemporaryFile() as said:
        # -I and -S: nothing that makes Python larger.
        timed = [sys.executable, "-I", "-S", str(TIMED), str(writing), "set -euo pipefail; " + command]
        child = subprocess.Popen(
            timed, env=environment, stdout=subprocess.PIPE, stderr=said, pass_fds=[writing], text=True
        )
        os.close(writing)
        printed, _ = child.communicate()
        with os.fdopen(reading) as report:
            figures = report.read().split()
        code = figures[3] if len(figures) == 4 else "?"
        if code != "0":
            said.seek(0)
            end = said.read()[-2000:].decode(errors="replace")
            raise Failure(f"exit code {code} from: {command}\n{end}")
    time.sleep(SETTLE_SECONDS)
    server = server_cpu_seconds(postmaster) - before
    size = _size(out)
    _remove(out)
    wall, client = map(float, figures[:2])
    return Run(wall, client, server, int(figures[2]), size, printed.strip())


def as_json(run: Run) -> dict:
    return asdict(run)
