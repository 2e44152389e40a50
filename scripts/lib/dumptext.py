"""Compares the text of two dumps, ignoring what may differ between equal databases."""

from __future__ import annotations

from typing import BinaryIO, Iterator

#: The version lines and the key of `\restrict` are in the first lines of a dump.
HEAD_LINES = 12


def lines(stream: BinaryIO) -> Iterator[bytes]:
    """The normalized lines of a dump."""
    key = None
    for number, line in enumerate(stream):
        if number < HEAD_LINES:
            if line.startswith((b"-- Dumped from database version", b"-- Dumped by pg_dump version")):
                continue
            if line.startswith(b"\\restrict "):
                key = line.split(b" ", 1)[1]
        if key is not None and line in (b"\\restrict " + key, b"\\unrestrict " + key):
            continue
        yield line


def equal(left: BinaryIO, right: BinaryIO) -> tuple[bool, int]:
    """Whether both texts are equal, and how many bytes were compared."""
    size = 0
    ours, theirs = lines(left), lines(right)
    while True:
        a, b = next(ours, None), next(theirs, None)
        if a != b:
            return False, size
        if a is None:
            return True, size
        size += len(a)
