"""Finds packages whose versions differ from those of an earlier run."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import metadata
from importlib.util import find_spec

from superparams.store.runs.run_records import Run

__all__ = ["other_packages"]


def other_packages(run: Run) -> dict[str, tuple[str, str | None]]:
    """The packages whose version has changed since a run.

    Modules that are no package are left out.

    Returns:
        The version in the run and the present version, by package. The present version is None if
        the package is no longer installed.
    """
    versions = {name: (then, _version(name)) for name, then in run.versions.items()}
    return {
        name: (then, now)
        for name, (then, now) in versions.items()
        if then != now and not (now is None and _is_there(name))
    }


def _version(name: str) -> str | None:
    version = _version_of_distribution(name)
    if version is not None or not _is_there(name):
        return version  # reading the files of all distributions takes most of a second
    others = map(_version_of_distribution, _distributions().get(name, ()))
    return next((candidate for candidate in others if candidate is not None), None)


def _version_of_distribution(name: str) -> str | None:
    try:
        return metadata.version(name)
    except (metadata.PackageNotFoundError, ValueError):
        return None


def _distributions() -> Mapping[str, list[str]]:
    if not _known:
        _known.update(metadata.packages_distributions())
    return _known


_known: dict[str, list[str]] = {}


def _is_there(name: str) -> bool:
    try:
        return "." not in name and find_spec(name) is not None  # a dot would import the package
    except (ImportError, ValueError):
        return False
