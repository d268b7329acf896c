"""The project's code as it was when the run began, for workers that import it later.

A worker may start long after the driver: a replaced one, or any under ``spawn``. It must run the
code that the run recorded, whatever has become of the files meanwhile.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import ModuleType

__all__ = ["install", "texts"]


def texts(files: Iterable[Path]) -> dict[str, bytes]:
    """What the files hold now, by their resolved paths; without those that cannot be read."""
    found: dict[str, bytes] = {}
    for file in files:
        try:
            found[str(file.resolve())] = file.read_bytes()
        except OSError:
            continue
    return found


def install(kept: Mapping[str, bytes]) -> None:
    """From now on, import these files as they were."""
    sys.meta_path[:] = [one for one in sys.meta_path if not isinstance(one, _Finder)]
    if kept:
        sys.meta_path.insert(0, _Finder(kept))


class _Finder:
    """Finds what the other finders find, and has it loaded from what was kept."""

    def __init__(self, kept: Mapping[str, bytes]) -> None:
        self._kept = kept
        paths = list(map(Path, kept))
        self._names = {path.parent.name if path.stem == "__init__" else path.stem for path in paths}

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name.rpartition(".")[2] not in self._names:
            return None
        others = [one for one in sys.meta_path if one is not self and hasattr(one, "find_spec")]
        spec = next(filter(None, (one.find_spec(name, path, target) for one in others)), None)
        # Other loaders change what they load: what they would make of a text is not known.
        if spec is not None and spec.origin and type(spec.loader) is SourceFileLoader:
            text = self._kept.get(str(Path(spec.origin).resolve()))
            if text is not None:
                spec.loader = _Loader(name, spec.origin, text)
        return spec


class _Loader(SourceFileLoader):
    """Loads a module from a text; compiled code that lies about is of another text."""

    def __init__(self, name: str, path: str, text: bytes) -> None:
        super().__init__(name, path)
        self._text = text

    def get_data(self, path: str) -> bytes:
        return self._text if path == self.path else super().get_data(path)

    def path_stats(self, path: str) -> Mapping[str, float]:
        raise OSError(f"{path} is not looked at")
