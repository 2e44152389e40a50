"""The server of a comparison and its databases, each of which is generated once."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator, Optional

from lib import fleet

from .measure import Failure

BENCHES = Path(__file__).resolve().parent.parent
MAJOR = 18

#: What differs from the servers of the tests: no log of what is loaded, and locks for 100,000 tables.
SETTINGS = {"wal_level": "minimal", "max_wal_senders": "0", "max_locks_per_transaction": "2048"}


def say(text: str) -> None:
    print(f"compare: {text}", file=sys.stderr, flush=True)


@dataclass(frozen=True)
class Database:
    """What is dumped."""

    #: In the server, and in the results; it includes the size.
    name: str
    script: str
    variables: tuple[tuple[str, int], ...]
    #: About how many bytes it takes in the server.
    disk_bytes: int
    #: A big load that leaves no log, as it runs in one transaction. Many tables would need too many locks.
    in_one_transaction: bool = True


def mixed(scale: int) -> Database:
    return Database(f"mixed_{scale}", "mixed.sql", (("scale", scale),), scale * 120_000_000)


def kinds(scale: int) -> Database:
    return Database(f"kinds_{scale}", "kinds.sql", (("scale", scale),), scale * 130_000_000)


def tiny(tables: int) -> Database:
    return Database(f"tiny_{tables}", "tiny_tables.sql", (("tables", tables),), 10_000_000 + tables * 115_000, False)


def rows(gigabytes: int) -> Database:
    return Database(f"rows_{gigabytes}", "rows.sql", (("gigabytes", gigabytes),), gigabytes * 1_300_000_000)


class Server:
    """A server as `scripts/servers` describes it."""

    def __init__(self, description: dict):
        self.description = description
        self.postgres = description["postgres"][str(MAJOR)]
        self.store = description["s3"]

    def environment(self, port: Optional[int] = None) -> dict[str, str]:
        """For clients: with a port on this machine, they go through TCP."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "AWS_"))}
        place = {"PGHOST": self.postgres["host"], "PGPORT": str(self.postgres["port"])}
        if port is not None:
            place = {"PGHOST": "127.0.0.1", "PGPORT": str(port)}
        store = {}
        if self.store:
            store = {
                "AWS_ENDPOINT_URL_S3": self.store["endpoint"],
                "AWS_ACCESS_KEY_ID": self.store["access_key"],
                "AWS_SECRET_ACCESS_KEY": self.store["secret_key"],
                "AWS_REGION": self.store["region"],
            }
        bindir = self.postgres["bindir"]
        return {**kept, **place, **store, "PGUSER": self.postgres["user"], "PATH": f"{bindir}:{kept['PATH']}"}

    def psql(self, database: str, *arguments: str) -> str:
        command = ["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", database, *arguments]
        done = subprocess.run(command, env=self.environment(), stdout=subprocess.PIPE, text=True)
        if done.returncode != 0:
            raise Failure(f"psql failed for {database}")
        return done.stdout.strip()

    def databases(self) -> set[str]:
        return set(self.psql("postgres", "-c", "SELECT datname FROM pg_database").split())

    def load(self, database: Database) -> None:
        """Generates a database, unless an earlier run did."""
        if database.name in self.databases():
            return
        say(f"generating {database.name}")
        started = time.monotonic()
        # It gets its name when it is complete.
        if "loading" in self.databases():
            self.psql("postgres", "-c", "DROP DATABASE loading")
        self.psql("postgres", "-c", "CREATE DATABASE loading")
        variables = [argument for name, value in database.variables for argument in ("-v", f"{name}={value}")]
        at_once = ["-1"] if database.in_one_transaction else []
        self.psql("loading", "-o", os.devnull, *variables, *at_once, "-f", str(BENCHES / database.script))
        self.psql("loading", "-c", "VACUUM ANALYZE", "-c", "CHECKPOINT")
        self.psql("postgres", "-c", f"ALTER DATABASE loading RENAME TO {database.name}")
        size = int(self.psql("postgres", "-c", f"SELECT pg_database_size('{database.name}')"))
        say(f"  {size / 1e9:.2f} GB in {time.monotonic() - started:.0f} s")

    def drop(self, database: Database) -> None:
        self.psql("postgres", "-c", f"DROP DATABASE {database.name}")

    def check_room(self, needed_bytes: int) -> None:
        data = self.postgres["data"]
        free = shutil.disk_usage(data).free
        if free < needed_bytes:
            raise Failure(
                f"the server's files in {data} need {needed_bytes / 1e9:.0f} GB more, and {free / 1e9:.0f} GB are free;"
                " set TMPDIR to a place with room, or choose smaller sizes or fewer suites"
            )
        say(f"{needed_bytes / 1e9:.0f} GB are needed for databases, and {free / 1e9:.0f} GB are free")


@contextmanager
def running(folder: Optional[Path], with_s3: bool) -> Iterator[Server]:
    """Starts a server and stops it at the end. With a folder, the one that is described there is used, or a new one
    that keeps running; `scripts/servers down` stops it."""
    if folder is not None and (folder / "servers.json").exists():
        yield Server(json.loads((folder / "servers.json").read_text()))
        return
    servers = fleet.Fleet([MAJOR], with_s3, SETTINGS)
    try:
        servers.start(die_with_parent=folder is None)
        if folder is not None:
            servers.write(folder)
        yield Server(servers.describe())
    finally:
        if folder is None:
            servers.stop()
