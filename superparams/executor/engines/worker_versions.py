"""The versions that the driver and the workers of an executor must share."""

from __future__ import annotations

import functools
import sys
from collections.abc import Mapping
from importlib import metadata
from typing import Final

from superparams.errors import EngineError

__all__ = ["refuse_other_versions", "versions_here"]

# These packages write and read tasks, outcomes, and code that is sent to workers.
_PACKAGES: Final = ("superparams", "cloudpickle", "pyarrow")


@functools.cache
def versions_here() -> Mapping[str, str]:
    """The version of Python without its last number, and those of packages that are installed."""
    versions = {"Python": "{}.{}".format(*sys.version_info)}
    for name in _PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:  # imported from a folder, so it has no version
            continue
    return versions


def refuse_other_versions(of_driver: Mapping[str, str]) -> None:
    """Refuse to work for a driver that has other versions.

    Raises:
        EngineError: Names the first version that differs.
    """
    here = versions_here()
    for name, version in of_driver.items():
        if here.get(name, version) != version:
            raise EngineError(
                f"workers of the executor have {name} {here[name]}, and this process has "
                f"{version}: give both the same version"
            )
