"""PostgreSQL from Debian's packages, for majors that no wheel has yet: downloaded by apt with lists
and a cache of its own, unpacked below one folder, and made to run there whatever the system's own
libraries are. Nothing is installed, and the system's package lists stay as they are.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Optional

#: Where a new major appears first, and where it moves to. apt prefers the second.
SUITES = ("experimental", "sid")

#: Names Debian's mirror on machines whose own package sources are not Debian's.
MIRROR_VARIABLE = "PGSIPHON_DEBIAN_MIRROR"

KEYRINGS = (
    Path("/usr/share/keyrings/debian-archive-keyring.gpg"),
    Path("/usr/share/keyrings/debian-archive-keyring.pgp"),
)

#: Debian's builds read the system's time zones, by an absolute path.
TIME_ZONES = Path("/usr/share/zoneinfo/UTC")

LIBRARIES = "usr/lib/x86_64-linux-gnu"
LOADER = f"{LIBRARIES}/ld-linux-x86-64.so.2"

COMMAND_TIMEOUT_SECONDS = 600


class AptFailed(Exception):
    """apt or dpkg failed; the text is what it said."""


def why_not() -> Optional[str]:
    """Why packages of Debian can't be had on this machine; None if they can."""
    for program in ("apt-get", "apt-cache", "dpkg-deb"):
        if shutil.which(program) is None:
            return f"there is no {program}"
    if not _keyring():
        return f"there is no {KEYRINGS[0]} (Debian and Ubuntu: apt install debian-archive-keyring)"
    if not TIME_ZONES.exists():
        return f"there is no {TIME_ZONES} (apt install tzdata)"
    if not mirrors():
        return f"apt has no source of Debian's own: set {MIRROR_VARIABLE} to a mirror of Debian"
    return None


def mirrors() -> list[str]:
    """The mirrors of Debian that this machine uses, or the one that the environment names."""
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
    """Downloads the packages and the libraries that they need, and unpacks them below `into`.

    apt checks signatures and digests. Raises AptFailed.
    """
    apt = _Apt(work)
    archives = apt.download(apt.with_libraries(packages))
    for archive in archives:
        _run(["dpkg-deb", "-x", str(archive), str(into)])


def relocate(programs: Path, root: Path, final_root: Path, patchelf: Path) -> None:
    """Lets each program in the folder `programs`, below `root`, run with the loader and the
    libraries that `root` holds, once it has been renamed to `final_root`."""
    for program in sorted(programs.iterdir()):
        with open(program, "rb") as handle:
            if handle.read(4) != b"\x7fELF":
                continue
        # An rpath, not a runpath, so that it holds for the libraries that the server loads, too.
        _run([
            str(patchelf), "--set-interpreter", str(final_root / LOADER),
            "--force-rpath", "--set-rpath", str(final_root / LIBRARIES), str(program),
        ])


class _Apt:
    """apt with a state of its own in `work`."""

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
            # A user of apt's own could not enter our folders.
            "-o", "APT::Sandbox::User=root",
        ]
        _run(["apt-get", *self.options, "update", "--error-on=any"])

    def with_libraries(self, packages: tuple[str, ...]) -> list[str]:
        """The packages, and all libraries that they and these depend on."""
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
            raise AptFailed(f"{len(packages)} packages were asked for, and {len(found)} came: {' '.join(packages)}")
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
        raise AptFailed(f"no end after {COMMAND_TIMEOUT_SECONDS} seconds: {command[0]}") from None
    if done.returncode != 0:
        raise AptFailed(f"$ {' '.join(command)}\n{done.stderr.decode(errors='replace').strip()[-2000:]}")
    return done.stdout.decode(errors="replace")
