"""What the figures were measured on."""

from __future__ import annotations

import os
import subprocess
from datetime import datetime, timezone
from pathlib import Path


def describe(postgres: str, binary: str) -> dict:
    memory = Path("/proc/meminfo").read_text().split()
    version = subprocess.run([binary, "--version"], stdout=subprocess.PIPE, text=True).stdout.strip()
    return {
        "cores": os.cpu_count(),
        "cpu": _cpu(),
        "memory_bytes": int(memory[memory.index("MemTotal:") + 1]) << 10,
        "postgres": postgres,
        "pgsiphon": version,
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%d"),
    }


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return "unknown CPU"
