"""Figures out of the results of a run: medians, and ratios of medians."""

from __future__ import annotations

import statistics
from typing import Optional


class Missing(Exception):
    """The results do not have a suite, subject or contender."""


class Figures:
    def __init__(self, results: dict):
        self.suites = results["suites"]

    def subjects(self, suite: str) -> dict[str, dict]:
        return self.suites.get(suite, {}).get("subjects", {})

    def subject(self, suite: str, name: Optional[str] = None) -> dict:
        """By default the only one."""
        subjects = self.subjects(suite)
        if name is None and subjects:
            return next(iter(subjects.values()))
        if name not in subjects:
            raise Missing(suite)
        return subjects[name]

    def runs(self, suite: str, subject: Optional[str], contender: str) -> list[dict]:
        runs = self.subject(suite, subject)["runs"].get(contender)
        if not runs:
            raise Missing(f"{suite}: {contender}")
        return runs

    def median(self, suite: str, subject: Optional[str], contender: str, field: str = "wall") -> float:
        return statistics.median(run[field] for run in self.runs(suite, subject, contender))

    def times_faster(self, suite: str, subject: Optional[str], baseline: str, contender: str) -> float:
        return self.median(suite, subject, baseline) / self.median(suite, subject, contender)

    def ratio(self, suite: str, subject: Optional[str], contender: str, baseline: str, field: str) -> float:
        return self.median(suite, subject, contender, field) / self.median(suite, subject, baseline, field)

    def text_bytes(self, suite: str, subject: Optional[str] = None) -> int:
        return self.subject(suite, subject)["text_bytes"]

    def machine(self) -> dict:
        for suite in self.suites.values():
            return suite["machine"]
        raise Missing("any suite")
