"""What we promise ourselves, and whether the figures keep it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Optional

from .figures import Figures, Missing

GZIP, ZSTD_1 = "pgsiphon -Z gzip", "pgsiphon -Z zstd:1"
PG_GZIP, PG_ZSTD_1 = "pg_dump | gzip", "pg_dump -Z zstd:1"


@dataclass(frozen=True)
class Goal:
    against: str
    goal: str
    measured: str
    #: None if the results do not have what it takes.
    is_met: Optional[bool]


@dataclass(frozen=True)
class Check:
    """What decides on a goal."""

    against: str
    goal: str
    check: Callable[[Figures], tuple[str, bool]]

    def __call__(self, figures: Figures) -> Goal:
        try:
            measured, is_met = self.check(figures)
        except Missing as missing:
            return Goal(self.against, self.goal, f"not measured ({missing})", None)
        return Goal(self.against, self.goal, measured, is_met)


def _faster(baseline: str, contender: str, least: float) -> Callable[[Figures], tuple[str, bool]]:
    def check(figures: Figures) -> tuple[str, bool]:
        times = figures.times_faster("mixed", None, baseline, contender)
        return f"{times:.2f}×", times >= least

    return check


def _gzip(figures: Figures) -> tuple[str, bool]:
    times = figures.times_faster("mixed", None, PG_GZIP, GZIP)
    size = figures.ratio("mixed", None, GZIP, PG_GZIP, "bytes")
    return f"{times:.2f}×, output {size:.3f}×", times >= 3.8 and size <= 1


def _zstd(figures: Figures) -> tuple[str, bool]:
    times = figures.times_faster("mixed", None, PG_ZSTD_1, ZSTD_1)
    size = figures.ratio("mixed", None, ZSTD_1, PG_ZSTD_1, "bytes")
    return f"{times:.2f}×, output {size:.3f}×", times >= 1.4 and size <= 1.02


def _zstd_of_kinds(figures: Figures) -> tuple[str, bool]:
    kinds = figures.subjects("kinds")
    if not kinds:
        raise Missing("kinds")
    baseline = PG_ZSTD_1
    slowest = min(kinds, key=lambda kind: figures.times_faster("kinds", kind, baseline, ZSTD_1))
    times = figures.times_faster("kinds", slowest, baseline, ZSTD_1)
    size = figures.ratio("kinds", "repetitive", ZSTD_1, baseline, "bytes")
    return f"{times:.2f}× ({slowest}); repetitive rows {size:.3f}× the size", times >= 1 and size <= 1.02


def _client_cpu(figures: Figures) -> tuple[str, bool]:
    kinds = ("narrow", "wide", "large")
    ratios = [figures.ratio("kinds", kind, "pgsiphon -Z none -j1", "pg_dump", "client_cpu") for kind in kinds]
    return ", ".join(f"{kind} {ratio:.2f}×" for kind, ratio in zip(kinds, ratios)), max(ratios) <= 1


def at_best(figures: Figures, method: str) -> float:
    """How long a dump would take in seconds if all cores did nothing but what is necessary."""
    reading = "pgsiphon -Z none -j1"
    encoder = sorted(float(run["printed"]) for run in figures.runs("mixed", None, f"encoder {method}"))
    seconds = encoder[len(encoder) // 2]
    for field in ("server_cpu", "client_cpu"):
        seconds += figures.median("mixed", None, reading, field)
    return seconds / figures.machine()["cores"]


def _at_best(figures: Figures) -> tuple[str, bool]:
    ratios = {
        method: figures.median("mixed", None, f"pgsiphon -Z {method}") / at_best(figures, method)
        for method in ("gzip", "zstd:1")
    }
    return ", ".join(f"{method} {ratio:.2f}" for method, ratio in ratios.items()), max(ratios.values()) <= 1.15


def _same_rows(figures: Figures) -> tuple[str, bool]:
    seconds = {
        kind: figures.median("kinds", kind, ZSTD_1) / figures.text_bytes("kinds", kind) * 1e9
        for kind in ("one", "hundred", "tree")
    }
    spread = max(seconds.values()) / min(seconds.values())
    listed = ", ".join(f"{kind} {value:.2f} s/GB" for kind, value in seconds.items())
    return f"{spread:.2f}× ({listed})", spread <= 1.1


def _many_tables(figures: Figures) -> tuple[str, bool]:
    measured, is_met = [], True
    for part, least in (("", 2.2), (" -s", 2.5), (" -a", 2.0)):
        subject, theirs, ours = "20000 tables", f"pg_dump{part}", f"pgsiphon{part}"
        times = figures.times_faster("tables", subject, theirs, ours)
        cpu = figures.ratio("tables", subject, ours, theirs, "client_cpu")
        measured.append(f"{times:.2f}× (client CPU {cpu:.2f}×)")
        is_met = is_met and times >= least and cpu < 1
    return " / ".join(measured), is_met


def _far_tables(figures: Figures) -> tuple[str, bool]:
    whole = figures.times_faster("latency", "168 tables", "pg_dump", "pgsiphon -j1")
    rows = figures.times_faster("latency", "168 tables", "pg_dump -a", "pgsiphon -a -j1")
    return f"{whole:.2f}× / {rows:.2f}×", whole >= 3 and rows >= 1


def _small(figures: Figures) -> tuple[str, bool]:
    near = figures.times_faster("tables", "100 tables", "pg_dump", "pgsiphon")
    far = figures.times_faster("latency", "100 tables", "pg_dump", "pgsiphon")
    return f"{near:.2f}× / {far:.2f}×", near >= 1 and far >= 1


def peaks(figures: Figures, jobs: int) -> dict[str, float]:
    """In MB by the name of the database, over all methods."""
    found = {}
    for name, subject in figures.subjects("memory").items():
        runs = [run for contender, runs in subject["runs"].items() if contender.endswith(f" -j{jobs}") for run in runs]
        if runs:
            found[name] = max(run["peak_kib"] for run in runs) * 1024 / 1e6
    if not found:
        raise Missing("memory")
    return found


def _memory(figures: Figures) -> tuple[str, bool]:
    two, many = peaks(figures, 2), peaks(figures, 16)
    measured = " / ".join(f"{min(mb.values()):.0f} to {max(mb.values()):.0f} MB" for mb in (two, many))
    # One size does not show that the peak is the same for any.
    is_any_size = {"1 GB", "20 GB"} <= set(two) & set(many)
    is_met = is_any_size and max(two.values()) < 100 and max(many.values()) < 400
    return f"{measured} ({', '.join(two)})", is_met


def _same_bytes(figures: Figures) -> tuple[str, bool]:
    subjects = figures.subjects("bytes")
    if not subjects:
        raise Missing("bytes")
    different = [
        method
        for method, subject in subjects.items()
        if len({run["printed"] for runs in subject["runs"].values() for run in runs}) > 1
    ]
    return "different: " + ", ".join(different) if different else "the same", not different


CHECKS = [
    Check("`pg_dump \\| gzip`", "3.8 times faster, output no larger", _gzip),
    Check("`pg_dump \\| gzip`, ours with `-Z zstd:1`", "8 times faster", _faster(PG_GZIP, ZSTD_1, 8)),
    Check("`pg_dump -Fd -j2`", "2 times faster", _faster("pg_dump -Fd -j2", GZIP, 2)),
    Check("`pg_dump \\| pigz -p2`", "2 times faster", _faster("pg_dump | pigz -p2", GZIP, 2)),
    Check("`pg_dump -Z zstd:1`, ours the same", "1.4 times faster, output at most 2 % larger", _zstd),
    Check("the same, each kind of table alone", "never slower; repetitive rows at most 2 % larger", _zstd_of_kinds),
    Check("client CPU of pg_dump, without compression, one job", "no more", _client_cpu),
    Check("(server CPU + reading + compressor alone) / cores", "at most 1.15 times as long", _at_best),
    Check("one table, the same rows in 100 tables, in partitions", "within 1.1 per byte", _same_rows),
    Check("20,000 tiny tables: whole / `-s` / `-a`", "2.2 / 2.5 / 2 times faster, less client CPU", _many_tables),
    Check("168 small tables at 10 ms, `-j1`: whole / `-a`", "3 times faster / no slower", _far_tables),
    Check("100 tiny tables: here / at 10 ms", "no slower", _small),
    Check("peak memory with `-j2` / `-j16`", "under 100 MB / 400 MB for any size", _memory),
    Check("the bytes for each `-j`", "the same", _same_bytes),
]


def goals(figures: Figures) -> list[Goal]:
    return [check(figures) for check in CHECKS]
