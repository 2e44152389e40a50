"""Writes docs/performance.md from the results, with the words of `benches/performance.md.in`."""

from __future__ import annotations

import re
import statistics
from pathlib import Path
from typing import Callable, Sequence

from .databases import BENCHES
from .drawings import DRAWINGS
from .figures import Figures, Missing
from .goals import at_best, goals
from .suites import KINDS, SUITES

NOT_MEASURED = "*Not measured in this run.*"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The first column is text, the others are numbers."""
    cells = [[cell.replace("|", "\\|") for cell in row] for row in (head, *rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]

    def line(row: Sequence[str]) -> str:
        padded = [
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths))
        ]
        return "| " + " | ".join(padded) + " |"

    rules = ["-" * (width + 2) if column == 0 else "-" * (width + 1) + ":" for column, width in enumerate(widths)]
    return "\n".join([line(cells[0]), "|" + "|".join(rules) + "|", *map(line, cells[1:])])


def megabytes(value: float) -> str:
    return f"{value / 1e6:,.1f}" if value < 100e6 else f"{value / 1e6:,.0f}"


def seconds(value: float) -> str:
    return f"{value:.3f}" if value < 1 else f"{value:.2f}"


def mixed(figures: Figures) -> str:
    """All contenders, against the first one."""
    subject = figures.subject("mixed")
    gigabytes = subject["text_bytes"] / 1e9
    rows, baseline = [], None
    for contender, runs in subject["runs"].items():
        if contender.startswith("encoder "):
            continue
        fields = ("wall", "client_cpu", "server_cpu", "bytes")
        median = {field: statistics.median(run[field] for run in runs) for field in fields}
        baseline = baseline or median["wall"]
        rows.append(
            [
                contender,
                seconds(median["wall"]),
                f"{baseline / median['wall']:.2f}×",
                f"{median['client_cpu'] / gigabytes:.2f}",
                f"{median['server_cpu'] / gigabytes:.2f}",
                f"{max(run['peak_kib'] for run in runs) * 1024 / 1e6:.0f}",
                megabytes(median["bytes"]) if median["bytes"] else "–",
            ]
        )
    head = ["contender", "time, s", "speed", "client CPU, s/GB", "server CPU, s/GB", "peak, MB", "output, MB"]
    return table(head, rows)


def kinds(figures: Figures) -> str:
    rows = []
    for kind, about in KINDS.items():
        theirs, ours = "pg_dump -Z zstd:1", "pgsiphon -Z zstd:1"
        gigabytes = figures.text_bytes("kinds", kind) / 1e9
        plain = [
            figures.median("kinds", kind, contender, "client_cpu") / gigabytes
            for contender in ("pg_dump", "pgsiphon -Z none -j1")
        ]
        rows.append(
            [
                about,
                f"{figures.median('kinds', kind, theirs) / gigabytes:.2f}",
                f"{figures.median('kinds', kind, ours) / gigabytes:.2f}",
                f"{figures.times_faster('kinds', kind, theirs, ours):.2f}×",
                f"{figures.ratio('kinds', kind, ours, theirs, 'bytes'):.3f}",
                f"{plain[0]:.2f}",
                f"{plain[1]:.2f}",
            ]
        )
    times, cpu = ["pg_dump, s/GB", "pgsiphon, s/GB", "speed"], ["pg_dump's client CPU, s/GB", "pgsiphon's"]
    return table(["kind of table", *times, "size", *cpu], rows)


def tables_of_tables(figures: Figures) -> str:
    rows = []
    for name in figures.subjects("tables"):
        for part in ("", " -s", " -a"):
            theirs, ours = f"pg_dump{part}", f"pgsiphon{part}"
            rows.append(
                [
                    f"{name}{part}",
                    seconds(figures.median("tables", name, theirs)),
                    seconds(figures.median("tables", name, ours)),
                    f"{figures.times_faster('tables', name, theirs, ours):.2f}×",
                    f"{figures.ratio('tables', name, ours, theirs, 'client_cpu'):.2f}",
                    f"{figures.ratio('tables', name, ours, theirs, 'server_cpu'):.2f}",
                    f"{figures.median('tables', name, ours, 'peak_kib') * 1024 / 1e6:.0f}",
                ]
            )
    if not rows:
        raise Missing("tables")
    head = ["database", "pg_dump, s", "pgsiphon, s", "speed", "client CPU", "server CPU", "peak, MB"]
    return table(head, rows)


def latency(figures: Figures) -> str:
    rows = []
    for name, subject in figures.subjects("latency").items():
        for part in ("", " -a"):
            theirs = f"pg_dump{part}"
            if theirs not in subject["runs"]:
                continue
            row = [f"{name}{part}", seconds(figures.median("latency", name, theirs))]
            for ours in (f"pgsiphon{part} -j1", f"pgsiphon{part}"):
                if ours in subject["runs"]:
                    row.append(seconds(figures.median("latency", name, ours)))
                    row.append(f"{figures.times_faster('latency', name, theirs, ours):.2f}×")
                else:
                    row += ["–", "–"]
            rows.append(row)
    if not rows:
        raise Missing("latency")
    return table(["database", "pg_dump, s", "pgsiphon -j1, s", "speed", "pgsiphon, s", "speed"], rows)


def reading(figures: Figures) -> str:
    """Each way to read a whole file against the one that everybody has, and what a part costs."""
    subject = figures.subject("reading")
    gigabytes = subject["text_bytes"] / 1e9
    rows = []
    for name, runs in subject["runs"].items():
        wall = statistics.median(run["wall"] for run in runs)
        baseline = {"pgsiphon verify, .gz": "gunzip -t", "pgsiphon verify, .zst": "zstd -t"}.get(name)
        speed = ""
        if baseline in subject["runs"]:
            speed = f"{figures.times_faster('reading', 'reading', baseline, name):.2f}×"
        cpu = statistics.median(run["client_cpu"] for run in runs) / gigabytes
        peak = max(run["peak_kib"] for run in runs) * 1024 / 1e6
        rows.append([name, seconds(wall), speed, f"{cpu:.2f}", f"{peak:.0f}", runs[0]["printed"]])
    return table(["command", "time, s", "speed", "CPU, s/GB", "peak, MB", "of the file"], rows)


def memory(figures: Figures) -> str:
    subjects = figures.subjects("memory")
    if not subjects:
        raise Missing("memory")
    contenders = list(dict.fromkeys(contender for subject in subjects.values() for contender in subject["runs"]))
    rows = []
    for contender in contenders:
        row = [contender]
        for subject in subjects.values():
            runs = subject["runs"].get(contender)
            row.append(f"{max(run['peak_kib'] for run in runs) * 1024 / 1e6:.0f}" if runs else "–")
        rows.append(row)
    return table(["peak, MB", *subjects], rows)


def levels(figures: Figures) -> str:
    subject = figures.subject("levels")
    rows = []
    for contender, runs in subject["runs"].items():
        wall, size = (statistics.median(run[field] for run in runs) for field in ("wall", "bytes"))
        speed, share = subject["text_bytes"] / 1e6 / wall, size / subject["text_bytes"]
        rows.append([contender, f"{speed:.0f}", megabytes(size), f"{share:.3f}"])
    return table(["contender", "text, MB/s", "output, MB", "of the text"], rows)


def same_bytes(figures: Figures) -> str:
    subjects = figures.subjects("bytes")
    if not subjects:
        raise Missing("bytes")
    rows = []
    for method, subject in subjects.items():
        sums = {run["printed"].split()[0] for runs in subject["runs"].values() for run in runs}
        jobs = ", ".join(contender.rpartition("-j")[2] for contender in subject["runs"])
        rows.append([method, jobs, "the same" if len(sums) == 1 else f"{len(sums)} different", sorted(sums)[0][:16]])
    return table(["method", "`-j`", "SHA-256", "begins with"], rows)


def bounds(figures: Figures) -> str:
    rows = []
    for method in ("gzip", "zstd:1"):
        best, real = at_best(figures, method), figures.median("mixed", None, f"pgsiphon -Z {method}")
        rows.append([method, seconds(best), seconds(real), f"{real / best:.2f}"])
    return table(["method", "at best, s", "measured, s", "ratio"], rows)


def goals_table(figures: Figures) -> str:
    marks = {True: "met", False: "**not met**", None: "–"}
    rows = [[goal.against, goal.goal, goal.measured.replace("|", "\\|"), marks[goal.is_met]] for goal in goals(figures)]
    head = "| against | goal | measured | |\n|---|---|---|---|\n"
    return head + "\n".join("| " + " | ".join(row) + " |" for row in rows)


def machine(figures: Figures) -> str:
    described = figures.machine()
    dates = sorted({suite["machine"]["date"] for suite in figures.suites.values()})
    rounds = sorted({suite["rounds"] for suite in figures.suites.values()})
    return (
        f"{described['cores']} cores ({described['cpu']}), {described['memory_bytes'] / 2**30:.0f} GiB of memory, "
        f"PostgreSQL {described['postgres']}, {described['pgsiphon']}, "
        f"{' to '.join(sorted({dates[0], dates[-1]}))}; rounds: {' or '.join(map(str, rounds))}"
    )


def text_size(figures: Figures) -> str:
    return f"{figures.text_bytes('mixed') / 1e9:.2f} GB"


#: What stands for `{{NAME}}` in the template.
PARTS: dict[str, Callable[[Figures], str]] = {
    "machine": machine,
    "goals": goals_table,
    "text_size": text_size,
    "mixed": mixed,
    "bounds": bounds,
    "kinds": kinds,
    "tables": tables_of_tables,
    "latency": latency,
    "levels": levels,
    "bytes": same_bytes,
    "reading": reading,
    "memory": memory,
}


def write(results: dict, path: Path) -> None:
    """Writes the page, and its plots into a folder that is named as the page is."""
    figures = Figures(results)
    folder = path.with_suffix("")
    folder.mkdir(parents=True, exist_ok=True)

    def part(match: "re.Match[str]") -> str:
        kind, name = match.group(1), match.group(2)
        try:
            if kind != "plot":
                return PARTS[name](figures)
            title, drawing = DRAWINGS[name](figures)
            (folder / f"{name}.svg").write_text(drawing)
            return f"![{title}]({folder.name}/{name}.svg)"
        except Missing:
            return NOT_MEASURED

    template = (BENCHES / "performance.md.in").read_text()
    path.write_text(re.sub(r"\{\{(plot|part) (\w+)\}\}", part, template))


def tables(results: dict, suites: Sequence[str]) -> str:
    """For the terminal."""
    figures = Figures(results)
    shown = [f"{suite}\n\n{PARTS[suite](figures)}" for suite in suites if suite in SUITES and figures.subjects(suite)]
    return "\n\n".join(shown)
