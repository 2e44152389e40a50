"""A set of servers that start and stop together."""

from __future__ import annotations

import concurrent.futures
import json
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import Optional, Sequence

from . import postgres, seaweedfs
from .fetch import Failure

START_TIMEOUT_SECONDS = 60

#: A file system in memory, and how much must be free for us to use it.
MEMORY = Path("/dev/shm")
MEMORY_FREE_BYTES = 8 << 30


class Fleet:
    """Starts servers in parallel, describes them in servers.json, and removes every trace."""

    def __init__(self, majors: Sequence[int], with_s3: bool, settings: Optional[dict[str, str]] = None):
        self.state = Path(tempfile.mkdtemp(prefix="pgsiphon-servers-", dir=_folder()))
        self.state.chmod(0o755)
        self.servers: list = []
        self.clusters = []
        self.store = None
        try:
            self.clusters = [postgres.Cluster(major, self.state, settings) for major in majors]
            self.store = seaweedfs.Store(self.state) if with_s3 else None
        except BaseException:
            self.stop()
            raise

    def start(self, die_with_parent: bool) -> None:
        """Brings everything up, or raises with nothing left behind."""
        try:
            self.servers = self.clusters + ([self.store] if self.store else [])
            with concurrent.futures.ThreadPoolExecutor() as pool:
                list(pool.map(lambda server: server.prepare(), self.servers))
            for server in self.servers:
                server.launch(die_with_parent)
            self._wait(die_with_parent)
        except BaseException:
            self.stop()
            raise

    def _wait(self, die_with_parent: bool) -> None:
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        waiting = list(self.servers)
        while waiting:
            for server in list(waiting):
                # Another process may have taken the port in the meantime.
                if server.died_of_taken_port():
                    server.log.unlink()
                    server.launch(die_with_parent)
                elif server.is_ready():
                    waiting.remove(server)
            if waiting and time.monotonic() > deadline:
                logs = "\n".join(server.log_tail() for server in waiting)
                raise Failure(f"not ready after {START_TIMEOUT_SECONDS} seconds; end of the logs:\n{logs}")
            time.sleep(0.05)

    def describe(self) -> dict:
        return {
            "state": str(self.state),
            "postgres": {str(c.major): c.describe() for c in self.clusters},
            "s3": self.store.describe() if self.store else None,
        }

    def write(self, folder: Path) -> Path:
        return write(self.describe(), folder)

    def stop(self) -> None:
        for cluster in self.clusters:
            if cluster.process is None:
                shutil.rmtree(cluster.sockets, ignore_errors=True)
        stop(
            {
                "state": str(self.state),
                "postgres": {str(c.major): c.describe() for c in self.clusters if c.process},
                "s3": self.store.describe() if self.store and self.store.process else None,
            }
        )


def _folder() -> Optional[Path]:
    """Where to put the data: in memory if there is plenty, otherwise with temporary files.

    Tests constantly create and drop databases of hundreds of files. That takes a third longer on
    ext4, which looks for inodes that were not freed recently.
    """
    if "TMPDIR" in os.environ or not os.access(MEMORY, os.W_OK):
        return None
    meminfo = Path("/proc/meminfo").read_text().split()
    available = int(meminfo[meminfo.index("MemAvailable:") + 1]) << 10
    free = min(available // 2, shutil.disk_usage(MEMORY).free)
    return MEMORY if free >= MEMORY_FREE_BYTES else None


def write(description: dict, folder: Path) -> Path:
    """Writes servers.json atomically and readable only by us: it holds the store's secret key."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "servers.json"
    temporary = folder / f".servers.json.{os.getpid()}"
    with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
        json.dump(description, out, indent=2)
        out.write("\n")
    temporary.replace(path)
    return path


def stop(description: dict) -> None:
    """Stops what servers.json describes, even if only partly started, and removes its files."""
    problems = []
    for cluster in description["postgres"].values():
        try:
            postgres.stop(cluster)
        except Failure as failure:
            problems.append(str(failure))
    if description.get("s3"):
        try:
            seaweedfs.stop(description["s3"])
        except Failure as failure:
            problems.append(str(failure))
    shutil.rmtree(description["state"], ignore_errors=True)
    if problems:
        raise Failure("; ".join(problems))
