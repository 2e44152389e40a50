"""What is measured: which contenders dump which databases."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Callable, Optional

from . import databases
from .databases import Database
from .measure import Contender

#: Of a round trip of the suite `latency`.
ROUND_TRIP_SECONDS = 0.010


@dataclass(frozen=True)
class Sizes:
    """How large the databases are."""

    scale: int
    tables: tuple[int, ...]
    gigabytes: tuple[int, ...]


@dataclass(frozen=True)
class Subject:
    """A database, or a part of it, and who dumps it. The first contender is the baseline."""

    name: str
    database: Database
    contenders: tuple[Contender, ...]
    #: A command that writes the text, to know its length.
    text: str
    #: Through the proxy that delays.
    is_far: bool = False
    #: How often, for the number of rounds that was asked for.
    rounds: Callable[[int], int] = field(default=lambda rounds: rounds)


def ours(name: str, flags: str, out: str = "{out}", **more: Optional[str]) -> Contender:
    return Contender(f"pgsiphon {name}", f"{{pgsiphon}} dump {flags} {{db}} > {out}", **more)


def theirs(flags: str, out: str = "{out}") -> Contender:
    return Contender(f"pg_dump {flags}".strip(), f"pg_dump {flags} {{db}} > {out}")


def piped(command: str, flags: str = "") -> Contender:
    return Contender(f"pg_dump | {command}", f"pg_dump {flags} {{db}} | {command} > {{out}}", needs=command.split()[0])


PLAIN = "pg_dump {db}"


def mixed(sizes: Sizes) -> list[Subject]:
    """Every peer, on the database of a product."""
    contenders = [
        piped("gzip"),
        theirs("-Z6"),
        Contender("pg_dump -Fd -j2", "pg_dump -Fd -j2 --no-sync -f {out} {db}"),
        piped("pigz -p2"),
        piped("zstd -1"),
        theirs("-Z zstd:1"),
        theirs("", "/dev/null"),
        Contender(
            "pgcopydb clone --table-jobs 2",
            "pgcopydb clone --table-jobs 2 --dir {out} --source postgresql:///{db} --target postgresql:///copy >&2",
            needs="pgcopydb",
            prepare="psql -Xq -d postgres -c 'DROP DATABASE IF EXISTS copy' -c 'CREATE DATABASE copy'",
        ),
        # As users run it, without -j.
        ours("-Z gzip", "-Z gzip"),
        ours("-Z zstd", "-Z zstd"),
        ours("-Z zstd:1", "-Z zstd:1"),
        ours("-Z lz4", "-Z lz4"),
        ours("-Z none", "-Z none", "/dev/null"),
    ]
    for jobs in (1, 2, 4):
        contenders += [ours(f"-Z {method} -j{jobs}", f"-Z {method} -j{jobs}") for method in ("gzip", "zstd:1")]
    contenders.append(ours("-Z none -j1", "-Z none -j1", "/dev/null"))
    # A single thread that compresses the text, and prints how long it took.
    for method in ("gzip", "zstd:1"):
        command = f"pg_dump {{db}} | {{encoder}} encode {method}"
        contenders.append(Contender(f"encoder {method}", command, needs="{encoder}"))
    database = databases.mixed(sizes.scale)
    return [Subject("mixed", database, tuple(contenders), PLAIN)]


KINDS = {
    "narrow": "narrow rows",
    "wide": "rows of 40 numbers",
    "repetitive": "repetitive rows, as pgbench_accounts",
    "large": "values of 96 KB (bytea)",
    "json": "JSON",
    "one": "one table",
    "hundred": "its rows in 100 tables",
    "tree": "its rows in 25 partitions",
}


def kinds(sizes: Sizes) -> list[Subject]:
    """Each kind of table alone."""
    subjects = []
    for kind in KINDS:
        contenders = (
            theirs(f"-n {kind} -Z zstd:1"),
            ours("-Z zstd:1", f"-n {kind} -Z zstd:1"),
            theirs(f"-n {kind}", "/dev/null"),
            ours("-Z none -j1", f"-n {kind} -Z none -j1", "/dev/null"),
        )
        named = tuple(Contender(c.name.replace(f" -n {kind}", ""), c.command) for c in contenders)
        subjects.append(Subject(kind, databases.kinds(sizes.scale), named, f"pg_dump -n {kind} {{db}}"))
    return subjects


#: Whole, definitions only, rows only.
PARTS = {"whole": "", "-s": "-s", "-a": "-a"}


def _against(flags: dict[str, str], jobs: str) -> tuple[Contender, ...]:
    contenders = []
    for name, flag in flags.items():
        label = "" if name == "whole" else f" {name}"
        contenders.append(Contender(f"pg_dump{label}", f"pg_dump {flag} {{db}} > {{out}}"))
        command = f"{{pgsiphon}} dump {flag} {jobs} -Z none {{db}} > {{out}}"
        contenders.append(Contender(f"pgsiphon{label}{jobs and ' ' + jobs}", command))
    return tuple(contenders)


def tables(sizes: Sizes) -> list[Subject]:
    """Many tiny tables: what matters is how the catalogs are read, and the number of round trips."""

    def rounds(tables: int) -> Callable[[int], int]:
        # The shortest runs vary most, and the longest take minutes.
        factor = 4 if tables <= 1000 else 1
        return lambda asked: min(asked, 2) if tables > 50_000 else factor * asked

    return [
        Subject(f"{count} tables", databases.tiny(count), _against(PARTS, ""), PLAIN, rounds=rounds(count))
        for count in sizes.tables
    ]


def latency(_sizes: Sizes) -> list[Subject]:
    """Small databases on the other side of a network."""
    parts = {name: flag for name, flag in PARTS.items() if name != "-s"}
    contenders = _against(parts, "-j1") + _against(parts, "")[1::2]
    return [
        Subject("168 tables", databases.tiny(168), contenders, PLAIN, is_far=True),
        Subject("100 tables", databases.tiny(100), _against({"whole": ""}, ""), PLAIN, is_far=True),
    ]


def reading(sizes: Sizes) -> list[Subject]:
    """Reading dumps back: all of one, and a part of it."""

    def of(name: str, command: str, suffix: str, needs: Optional[str] = None) -> Contender:
        file = f"{{kept}}.sql.{suffix}"
        return Contender(name, f"{command} {file}", needs, f"test -e {file} || {{pgsiphon}} dump -f {file} {{db}}")

    def part(table: str) -> Contender:
        command = f"{{pgsiphon}} extract -v -t {table} -f {{out}}"
        contender = of(f"extract -t {table}", command, "gz")
        # It says how much it has read.
        counted = r"sed -E 's/.*entries, (.*), [0-9.]+ s$/\1/'"
        return Contender(contender.name, f"{contender.command} 2>&1 | {counted}", prepare=contender.prepare)

    contenders = (
        of("gunzip -t", "gunzip -t", "gz"),
        of("pgsiphon verify, .gz", "{pgsiphon} verify >&2", "gz"),
        of("zstd -t", "zstd -qt", "zst", "zstd"),
        of("pgsiphon verify, .zst", "{pgsiphon} verify >&2", "zst"),
        part("articles"),
        part("readings_2026_05"),
    )
    return [Subject("reading", databases.mixed(max(1, sizes.scale // 2)), contenders, PLAIN)]


def memory(sizes: Sizes) -> list[Subject]:
    """The peak, by the size of the database and by the number of jobs. One round: it hardly varies."""
    subjects = []
    for gigabytes in sizes.gigabytes:
        is_first = gigabytes == sizes.gigabytes[0]
        jobs = (1, 2, 4, 8, 16) if is_first else (2, 16)
        contenders = [theirs("", "/dev/null")]
        for method in ("gzip", "zstd:1"):
            contenders += [ours(f"-Z {method} -j{n}", f"-Z {method} -j{n}", "/dev/null") for n in jobs]
        if is_first:
            to_s3 = "{pgsiphon} dump -j2 -f {object} {db}"
            contenders.append(Contender("pgsiphon -j2 to S3", to_s3))
        subjects.append(
            Subject(f"{gigabytes} GB", databases.rows(gigabytes), tuple(contenders), PLAIN, rounds=lambda _: 1)
        )
    return subjects


def levels(sizes: Sizes) -> list[Subject]:
    """Size and speed by method and level, on a quarter of the database: high levels take long."""
    ours_at = {"gzip": (1, 3, 5, 6, 9), "zstd": (-5, 1, 2, 3, 6, 9, 12), "lz4": (0, 9)}
    theirs_at = {"gzip": (1, 6), "zstd": (1, 3, 6)}
    contenders = [theirs(f"-Z {method}:{level}") for method, levels in theirs_at.items() for level in levels]
    for method, levels in ours_at.items():
        contenders += [ours(f"-Z {method}:{level}", f"-Z {method}:{level}") for level in levels]
    contenders.append(ours("-Z none", "-Z none"))
    database = databases.mixed(max(1, sizes.scale // 4))
    return [Subject("levels", database, tuple(contenders), PLAIN, rounds=lambda rounds: min(rounds, 3))]


def bytes_(sizes: Sizes) -> list[Subject]:
    """Whether the bytes are the same for each number of jobs: SHA-256 of the output."""
    subjects = []
    for method in ("gzip", "zstd:1", "lz4", "none"):
        flags = f"-Z {method} --restrict-key=compare"
        contenders = tuple(
            Contender(f"pgsiphon -j{jobs}", f"{{pgsiphon}} dump {flags} -j{jobs} {{db}} | sha256sum")
            for jobs in (1, 2, 3, 4, 16)
        )
        database = databases.mixed(max(1, sizes.scale // 4))
        subjects.append(Subject(method, database, contenders, PLAIN, rounds=lambda _: 1))
    return subjects


SUITES: dict[str, Callable[[Sizes], list[Subject]]] = {
    "mixed": mixed,
    "kinds": kinds,
    "tables": tables,
    "latency": latency,
    "levels": levels,
    "bytes": bytes_,
    "reading": reading,
    "memory": memory,
}
