"""The plots of the page."""

from __future__ import annotations

import re
import statistics
from typing import Callable

from .figures import Figures, Missing
from .plots import Axis, Bar, Series, bars, lines


def peers(figures: Figures) -> tuple[str, str]:
    """Time by peer."""
    title = "Time for the same database, in seconds"
    subject = figures.subject("mixed")
    walls = {name: statistics.median(run["wall"] for run in runs) for name, runs in subject["runs"].items()}
    baseline = next(iter(walls.values()))
    given = [
        Bar(name, wall, f"{wall:.1f} s, {baseline / wall:.1f}×", 0 if name.startswith("pgsiphon") else 4)
        for name, wall in walls.items()
        if not name.startswith("encoder ") and not re.match(r"pgsiphon .* -j\d", name)
    ]
    return title, bars(title, sorted(given, key=lambda bar: -bar.value))


def jobs(figures: Figures) -> tuple[str, str]:
    """Speed by -j."""
    title = "Speed by the number of jobs"
    text = figures.text_bytes("mixed") / 1e6
    series = []
    for index, method in enumerate(("gzip", "zstd:1")):
        points = [
            (count, text / figures.median("mixed", None, f"pgsiphon -Z {method} -j{count}"), "") for count in (1, 2, 4)
        ]
        series.append(Series(method, points, index))
    return title, lines(title, Axis("-j", is_log=True, ticks=(1, 2, 4)), Axis("MB of text per second"), series)


def memory(figures: Figures) -> tuple[str, str]:
    """Peak by the size of the database."""
    title = "Peak memory by the size of the database"
    subjects = figures.subjects("memory")
    if not subjects:
        raise Missing("memory")
    contenders = dict.fromkeys(name for subject in subjects.values() for name in subject["runs"])
    # What was measured for each size.
    shown = [name for name in contenders if all(name in subject["runs"] for subject in subjects.values())]
    series = []
    for index, name in enumerate(shown):
        points = [
            (subject["text_bytes"] / 1e9, max(run["peak_kib"] for run in subject["runs"][name]) * 1024 / 1e6, "")
            for subject in subjects.values()
        ]
        series.append(Series(name.replace("pgsiphon ", ""), points, index % 5))
    return title, lines(title, Axis("GB of text"), Axis("MB"), series)


def levels(figures: Figures) -> tuple[str, str]:
    """Size and speed by level."""
    title = "Size and speed by method and level"
    subject = figures.subject("levels")
    by_method: dict[str, list[tuple[float, float, str]]] = {}
    for name, runs in subject["runs"].items():
        program, _, flag = name.partition(" -Z ")
        method, _, level = flag.partition(":")
        if not level:
            continue
        wall, size = (statistics.median(run[field] for run in runs) for field in ("wall", "bytes"))
        label = method if program == "pgsiphon" else f"pg_dump {method}"
        by_method.setdefault(label, []).append((subject["text_bytes"] / 1e6 / wall, size / 1e6, level))
    order = ("gzip", "pg_dump gzip", "zstd", "pg_dump zstd", "lz4")
    series = [Series(name, by_method[name], index) for index, name in enumerate(order) if name in by_method]
    return title, lines(title, Axis("MB of text per second", is_log=True), Axis("MB of output", has_zero=False), series)


DRAWINGS: dict[str, Callable[[Figures], tuple[str, str]]] = {
    "peers": peers,
    "jobs": jobs,
    "memory": memory,
    "levels": levels,
}
