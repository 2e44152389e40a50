"""Which Rust toolchains there are."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Optional

from .fetch import Failure


def rust_version(manifest: Path) -> str:
    """The `rust-version` of a Cargo.toml, such as 1.95."""
    found = re.search(r'^rust-version = "(\d+\.\d+)"$', manifest.read_text(), re.MULTILINE)
    if not found:
        raise Failure(f"{manifest} has no rust-version with two numbers")
    return found.group(1)


def rustc_version() -> Optional[str]:
    """The version of the compiler in use without its last number; None if it is no stable release."""
    said = subprocess.run(["rustc", "--version"], stdout=subprocess.PIPE, check=True).stdout.decode()
    found = re.match(r"rustc (\d+\.\d+)\.\d+ ", said)
    return found.group(1) if found else None


def toolchain_for(version: str) -> Optional[str]:
    """The name of an installed toolchain of that version, if rustup has one."""
    if shutil.which("rustup") is None:
        return None
    listed = subprocess.run(["rustup", "toolchain", "list"], stdout=subprocess.PIPE, check=True).stdout.decode()
    for line in listed.splitlines():
        name = line.split()[0]
        if re.match(rf"{re.escape(version)}(\.\d+)?(-|$)", name):
            return name
    return None
