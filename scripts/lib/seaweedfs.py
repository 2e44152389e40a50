"""A temporary S3 server: SeaweedFS in single-process mode."""

from __future__ import annotations

import json
import secrets
import signal
import subprocess
import urllib.error
import urllib.request
from pathlib import Path
from typing import Optional

from . import fetch, processes
from .fetch import Failure

BUCKET = "pgsiphon-test"
REGION = "us-east-1"
LOG = "server.log"


class Store:
    """One instance. It listens on many ports, which must all be distinct."""

    def __init__(self, state: Path):
        self.home = state / "s3"
        self.log = self.home / LOG
        self.access_key = "pgsiphon" + secrets.token_hex(4)
        self.secret_key = secrets.token_hex(20)
        self.port = 0
        self.ports: list[int] = []
        self.command: list[str] = []
        self.process: Optional[subprocess.Popen] = None

    def prepare(self) -> None:
        self.program = fetch.seaweedfs()
        (self.home / "data").mkdir(parents=True)
        self.identities = self.home / "identities.json"
        who = {
            "name": "tester",
            "credentials": [{"accessKey": self.access_key, "secretKey": self.secret_key}],
            "actions": ["Admin", "Read", "Write", "List", "Tagging"],
        }
        self.identities.write_text(json.dumps({"identities": [who]}))
        user = processes.runtime_user()
        if user is not None:
            subprocess.run(["chown", "-R", f"{user.pw_uid}:{user.pw_gid}", str(self.home)], check=True)

    def launch(self, die_with_parent: bool) -> None:
        self.ports = _distinct_ports(7)
        self.port, master, volume, filer, admin, metrics, debug = self.ports
        command = [
            self.program, "mini", f"-dir={self.home / 'data'}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1",
            f"-s3.config={self.identities}", f"-s3.port={self.port}", f"-s3.port.grpc={self.port + 10000}",
            f"-master.port={master}", f"-master.port.grpc={master + 10000}",
            f"-volume.port={volume}", f"-volume.port.grpc={volume + 10000}",
            f"-filer.port={filer}", f"-filer.port.grpc={filer + 10000}",
            f"-admin.port={admin}", f"-admin.port.grpc={admin + 10000}",
            f"-metricsPort={metrics}", f"-debug.port={debug}",
            "-s3.port.iceberg=0", "-s3.port.lance=0", "-webdav=false",
            "-s3.autoCreateBucket=false", "-s3.allowDeleteBucketNotEmpty=false",
            "-master.telemetry=false", f"-bucket={BUCKET}",
        ]
        self.command = [str(part) for part in command]
        self.process = _spawn(self.command, self.home, signal.SIGKILL if die_with_parent else None)

    def is_ready(self) -> bool:
        """Whether it answers S3 requests: it refuses an unsigned one itself."""
        assert self.process is not None
        if self.process.poll() is not None:
            raise Failure(f"SeaweedFS did not start; end of its log:\n{self.log_tail()}")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/{BUCKET}", timeout=2) as answer:
                return answer.status == 200
        except urllib.error.HTTPError as refusal:
            return refusal.code == 403 and self._bucket_was_made()
        except OSError:
            return False

    def _bucket_was_made(self) -> bool:
        from . import s3

        return s3.Client(**self.credentials()).bucket_exists(BUCKET)

    def died_of_taken_port(self) -> bool:
        assert self.process is not None
        return self.process.poll() is not None and "address already in use" in self.log_tail()

    def log_tail(self) -> str:
        return self.log.read_text(errors="replace")[-2000:] if self.log.exists() else "(no log)"

    def credentials(self) -> dict:
        return {
            "endpoint": f"http://127.0.0.1:{self.port}",
            "access_key": self.access_key,
            "secret_key": self.secret_key,
            "region": REGION,
        }

    def describe(self) -> dict:
        return {
            **self.credentials(),
            "bucket": BUCKET,
            "ports": self.ports,
            "home": str(self.home),
            "log": str(self.log),
            "command": self.command,
            "pid": self.process.pid if self.process else 0,
        }


def restart(description: dict) -> int:
    """Restarts it with its data and ports, however it ended; returns the new process ID."""
    processes.stop(description["pid"], description["home"], first=signal.SIGKILL)
    return _spawn(description["command"], Path(description["home"]), None).pid


def stop(description: dict) -> None:
    """Kills it: nothing of it needs to survive, and a graceful stop takes seconds."""
    if description["pid"]:
        processes.stop(description["pid"], description["home"], first=signal.SIGKILL)
    # It leaves behind sockets in /tmp, named after its ports.
    ours = {str(port + offset) for port in description["ports"] for offset in (0, 10000)}
    for socket in Path("/tmp").glob("seaweedfs-*.sock"):
        if socket.stem.rpartition("-")[2] in ours:
            socket.unlink(missing_ok=True)


def _spawn(command: list[str], home: Path, die_with_parent: Optional[int]) -> subprocess.Popen:
    return processes.spawn(
        command, log=home / LOG, cwd=home, env=processes.environment(HOME=str(home)), die_with_parent=die_with_parent
    )


def _distinct_ports(count: int) -> list[int]:
    ports: list[int] = []
    while len(ports) < count:
        port = processes.free_port(below=45000)
        if all(abs(port - other) not in (0, 10000) for other in ports):
            ports.append(port)
    return ports
