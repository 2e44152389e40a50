"""Runs a suite: generates its databases, and each contender in turn, round after round."""

from __future__ import annotations

import shlex
import subprocess
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from lib import s3

from . import delay
from .databases import Database, Server, say
from .measure import Contender, Failure, as_json, run
from .suites import ROUND_TRIP_SECONDS, Subject


@dataclass(frozen=True)
class Programs:
    pgsiphon: str
    #: The micro benchmarks, which can also compress a text.
    encoder: Optional[str]


def check_room(server: Server, suites: dict[str, list[Subject]], keeps_databases: bool) -> None:
    """Fails early if the disk will be full."""
    existing = server.databases()
    wanted = {subject.database for subjects in suites.values() for subject in subjects}
    needs = [database.disk_bytes for database in wanted if database.name not in existing]
    # If they are not kept, there is one at a time. The output comes on top, and is smaller than the database.
    server.check_room((sum(needs) if keeps_databases else 0) + max(needs, default=0) * 3 // 2)


class Suite:
    """The subjects of a suite on a server."""

    def __init__(
        self, server: Server, programs: Programs, subjects: list[Subject], rounds: int, only: str, keeps_databases: bool
    ):
        self.server = server
        self.programs = programs
        self.subjects = subjects
        self.rounds = rounds
        self.only = only
        self.keeps_databases = keeps_databases
        self.objects = 0

    def run(self) -> dict:
        """The results by subject."""
        results = {}
        for number, subject in enumerate(self.subjects):
            self.server.load(subject.database)
            with ExitStack() as stack:
                results[subject.name] = self._subject(subject, stack)
            if not self.keeps_databases and not self._is_needed_after(number, subject.database):
                self.server.drop(subject.database)
        return results

    def _is_needed_after(self, number: int, database: Database) -> bool:
        return any(later.database == database for later in self.subjects[number + 1 :])

    def _subject(self, subject: Subject, stack: ExitStack) -> dict:
        port = None
        if subject.is_far:
            port = stack.enter_context(delay.proxy(self.server.postgres["port"], ROUND_TRIP_SECONDS))
        environment = self.server.environment(port)
        # On the same disk as the server's, where there is room.
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=self.server.description["state"])))
        contenders = [self._fill(contender, subject.database) for contender in subject.contenders]
        chosen = [c for place, c in enumerate(contenders) if c and (place == 0 or self.only in c.name)]
        runs: dict[str, list[dict]] = {contender.name: [] for contender in chosen if contender}
        text_bytes = self._text_bytes(subject)
        say(f"{subject.name}: {text_bytes / 1e6:.1f} MB of text")
        for _ in range(subject.rounds(self.rounds)):
            for contender in chosen:
                assert contender is not None
                once = self._once(contender, environment, folder)
                runs[contender.name].append(once)
                say(f"  {contender.name}: {once['wall']:.2f} s, {once['bytes'] / 1e6:.1f} MB {once['printed'][:12]}")
        return {"text_bytes": text_bytes, "runs": runs}

    def _fill(self, contender: Contender, database: Database) -> Optional[Contender]:
        """With the names of programs and the database; none if a program is missing."""
        if contender.needs == "{encoder}":
            if self.programs.encoder is None:
                return None
        elif not contender.is_installed():
            say(f"{contender.needs} is not installed: without {contender.name}")
            return None
        def fill(command: str) -> str:
            return (
                command.replace("{pgsiphon}", shlex.quote(self.programs.pgsiphon))
                .replace("{encoder}", shlex.quote(self.programs.encoder or ""))
                .replace("{db}", database.name)
            )

        prepare = contender.prepare and fill(contender.prepare)
        return Contender(contender.name, fill(contender.command), prepare=prepare)

    def _once(self, contender: Contender, environment: dict[str, str], folder: Path) -> dict:
        out, kept = folder / "out", folder / "kept"
        if contender.prepare:
            prepare = contender.prepare.replace("{kept}", shlex.quote(str(kept)))
            subprocess.run(["bash", "-c", prepare], env=environment, check=True)
        command = contender.command.replace("{out}", shlex.quote(str(out))).replace("{kept}", shlex.quote(str(kept)))
        if "{object}" not in command:
            return as_json(run(command, environment, self.server.postgres["pid"], out))
        store = self.server.store
        if not store:
            raise Failure("this suite needs a server that was started with a store (--s3)")
        self.objects += 1
        key = f"compare/{self.objects}.sql.gz"
        command = command.replace("{object}", f"s3://{store['bucket']}/{key}")
        once = run(command, environment, self.server.postgres["pid"], out)
        client = s3.Client(**{name: store[name] for name in ("endpoint", "access_key", "secret_key", "region")})
        headers = client.head(store["bucket"], key) or {}
        once.bytes = int({name.lower(): value for name, value in headers.items()}["content-length"])
        return as_json(once)

    def _text_bytes(self, subject: Subject) -> int:
        """Also a first reading of everything, which fills the caches for all."""
        command = subject.text.replace("{db}", subject.database.name) + " | wc -c"
        done = subprocess.run(
            ["bash", "-c", "set -euo pipefail; " + command],
            env=self.server.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        if done.returncode != 0:
            raise Failure(f"exit code {done.returncode} from: {command}")
        return int(done.stdout)
