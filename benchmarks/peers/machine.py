"""Where and with what it was measured: no names, no places."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from importlib import metadata
from pathlib import Path

from benchmarks.peers.turn import ROOT


def described() -> str:
    """Cores, processor, memory, kernel and Python, in a line."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    cores = len(os.sched_getaffinity(0))
    return (
        f"{cores} cores ({processor()}), {memory:.0f} GiB of memory, "
        f"{platform.system()} {kernel()}, Python {platform.python_version()}"
    )


def kernel() -> str:
    """Its version, without what its builder added."""
    return re.split(r"[^0-9.]", platform.release(), maxsplit=1)[0]


def processor() -> str:
    try:
        found = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        found = None
    return found[1].strip() if found else platform.machine()


def own_version() -> str:
    """The version of this checkout, and its commit if there is one."""
    own = version("superparams")
    commit = git("rev-parse", "--short", "HEAD")
    changed = ", with changes" if git("status", "--porcelain", "superparams") else ""
    return f"{own} ({commit}{changed})" if commit else own


def version(name: str) -> str:
    """The version of a distribution, or nothing."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def git(*words: str) -> str:
    try:
        done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True)
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
