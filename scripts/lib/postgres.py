"""Temporary PostgreSQL clusters."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import Optional

from . import fetch, processes
from .fetch import Failure
from .pins import Pin

INITDB_FLAGS = ["--auth=trust", "--username=postgres", "--encoding=UTF8", "--no-locale", "--no-sync"]

#: Speed over durability, room for parallel tests, and nothing that makes two runs differ
#: (autovacuum, the machine's time zone).
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "autovacuum": "off",
    "jit": "off",
    "max_connections": "200",
    "max_prepared_transactions": "10",
    "max_locks_per_transaction": "256",
    "max_wal_senders": "5",
    "max_wal_size": "4GB",
    "wal_level": "logical",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "datestyle": "iso, mdy",
    "unix_socket_permissions": "0777",
}


class Cluster:
    """One cluster: `prepare` may run in any thread, `launch` only in the main one."""

    def __init__(self, major: int, state: Path, settings: Optional[dict[str, str]] = None):
        self.major = major
        self.settings = {**SETTINGS, **(settings or {})}
        self.home = state / f"pg{major}"
        self.data = self.home / "data"
        # A socket path has at most 107 bytes, so it is not below `state`, which may be deep.
        self.sockets = Path(tempfile.mkdtemp(prefix=f"pgs{major}-", dir="/tmp"))
        self.log = self.home / "server.log"
        self.port = 0
        self.process: Optional[subprocess.Popen] = None

    def prepare(self) -> None:
        """Fetches the programs and creates the data directory."""
        self.programs = fetch.postgres(self.major)
        self.clients = fetch.postgres_clients(self.major)
        self.home.mkdir()
        template = _template(self.major, self.programs)
        done = subprocess.run(["cp", "-a", "--reflink=auto", str(template), str(self.data)])
        if done.returncode != 0:
            raise Failure(f"cannot copy the template cluster {template} to {self.data}")
        lines = [f"{name} = '{value}'\n" for name, value in self.settings.items()]
        with open(self.data / "postgresql.conf", "a") as conf:
            conf.writelines(lines)
        _give_away(self.home)
        _give_away(self.sockets)
        self.sockets.chmod(0o755)

    def launch(self, die_with_parent: bool) -> None:
        """Starts the postmaster, without waiting for it."""
        self.port = processes.free_port()
        command = [
            self.programs / "bin/postgres", "-D", self.data, "-p", self.port, "-k", self.sockets,
        ]
        self.process = processes.spawn(
            command, log=self.log, cwd=self.home, env=_server_environment(self.programs),
            die_with_parent=signal.SIGQUIT if die_with_parent else None,
        )

    def is_ready(self) -> bool:
        """Whether it accepts connections; raises with the end of its log if it has died."""
        assert self.process is not None
        if self.process.poll() is not None:
            raise Failure(f"PostgreSQL {self.major} did not start; end of its log:\n{self.log_tail()}")
        done = subprocess.run(
            [str(self.clients / "pg_isready"), "-q", "-h", str(self.sockets), "-p", str(self.port)],
            env=processes.environment(),
        )
        return done.returncode == 0

    def log_tail(self) -> str:
        return self.log.read_text(errors="replace")[-2000:] if self.log.exists() else "(no log)"

    def died_of_taken_port(self) -> bool:
        assert self.process is not None
        return self.process.poll() is not None and "could not bind" in self.log_tail()

    def describe(self) -> dict:
        """What a test needs to know."""
        return {
            "version": fetch.postgres_version(self.major),
            "host": str(self.sockets),
            "port": self.port,
            "user": "postgres",
            "bindir": str(self.clients),
            "data": str(self.data),
            "log": str(self.log),
            "pid": self.process.pid if self.process else 0,
        }


def stop(description: dict) -> None:
    """Stops a cluster immediately and removes its sockets; its data goes with the state directory."""
    pid = description["pid"]
    if pid:
        processes.stop(pid, description["data"], first=signal.SIGQUIT)
    shutil.rmtree(description["host"], ignore_errors=True)


def _server_environment(programs: Path) -> dict:
    # The contrib libraries of 18 have no rpath and would not find libpq without this.
    return processes.environment(LD_LIBRARY_PATH=str(programs / "lib"), TZ="UTC")


def _template(major: int, programs: Path) -> Path:
    """A cluster made with initdb, once per machine and user."""
    user = processes.runtime_user()
    uid = user.pw_uid if user else os.geteuid()
    name = f"template-{_template_version(major)}-{uid}"
    template = fetch.cache_dir() / name
    if template.is_dir():
        return template
    with fetch.lock(name):
        if template.is_dir():
            return template
        # Created under another name first: only we may enter a directory made by mkdtemp.
        work = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=fetch.cache_dir()))
        try:
            _give_away(work)
            done = subprocess.run(
                [str(programs / "bin/initdb"), "-D", str(work / "data"), *INITDB_FLAGS],
                cwd=work, env=_server_environment(programs), stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **processes.user_arguments(user),
            )
            if done.returncode != 0:
                raise Failure(f"initdb of PostgreSQL {major} failed:\n{done.stdout.decode(errors='replace')}")
            (work / "data").rename(template)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    return template


def _template_version(major: int) -> str:
    pin = fetch.POSTGRES[major]
    return pin.version if isinstance(pin, Pin) else fetch.postgres_version(major)


def _give_away(path: Path) -> None:
    user = processes.runtime_user()
    if user is not None:
        os.chown(path, user.pw_uid, user.pw_gid)
