"""What a name in a module leads to, through imports from module to module of a project."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from superparams.identity.code.project import Project, Source
from superparams.identity.code.syntax import Chain, Imported

__all__ = ["Lookup", "Target", "classes_of", "is_superparams"]


@dataclass(frozen=True, eq=False)
class Target:
    """What a chain of names leads to: a name in a source, a whole module, or something outside."""

    source: Source | None = None
    name: str | None = None
    place: Path | None = None
    outside: str | None = None


def is_superparams(target: Target) -> bool:
    """Whether a chain leads to something of superparams."""
    return (target.outside or "").partition(".")[0] == "superparams"


def classes_of(target: Target) -> list[ast.ClassDef]:
    """The classes that a chain leads to."""
    if target.source is None or target.name is None:
        return []
    nodes = [binding.node for binding in target.source.bindings[target.name]]
    return [node for node in nodes if isinstance(node, ast.ClassDef)]


class Lookup:
    """Looks names up in the modules of a project, and remembers the files it read."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.files: dict[Path, Source] = {}
        self._located: dict[tuple[Source, Chain], list[Target]] = {}

    def locate(self, source: Source, chain: Chain) -> list[Target]:
        """What `chain` leads to from the module `source`; nothing for a builtin name."""
        found = self._located.get((source, chain))
        if found is None:
            found = self._located[source, chain] = list(self._locate(source, chain, set()))
        return found

    def _locate(
        self, source: Source, chain: Chain, seen: set[tuple[Source, Chain]]
    ) -> Iterator[Target]:
        if (source, chain) in seen:
            return
        seen.add((source, chain))
        name, rest = chain[0], chain[1:]
        found = source.bindings.get(name)
        if found is None:
            if source.around is not None:
                yield from self._locate(source.around, chain, seen)
            for star in source.stars if not hasattr(builtins, name) else ():
                yield from self.imported(source, star, chain, seen)
            return
        if any(binding.imported is None for binding in found):
            yield Target(source, name)
        for binding in found:
            if binding.imported is not None:
                yield from self.imported(source, binding.imported, rest, seen)

    def imported(
        self, source: Source, wanted: Imported, rest: Chain, seen: set[tuple[Source, Chain]]
    ) -> Iterator[Target]:
        """What `rest` leads to as attributes of what an import statement of `source` binds."""
        place = self.project.module(source, wanted)
        if place is None:
            names = (wanted.module, wanted.name or "", *rest)
            yield Target(outside=".".join(filter(None, names)))
        elif wanted.name in (None, "*"):
            yield from self.attribute(place, rest, seen)
        else:
            yield from self.attribute(place, (wanted.name or "", *rest), seen)

    def attribute(
        self, place: Path, chain: Chain, seen: set[tuple[Source, Chain]]
    ) -> Iterator[Target]:
        """What `chain` leads to as attributes of the module at `place`."""
        source = self.visit(place)
        if not chain:
            yield Target(source, place=place)
            return
        if source is not None:
            targets = list(self._locate(source, chain, seen))
            yield from targets
            if targets:
                return
        below = self.project.submodule(place, chain[0])
        if below is not None:
            yield from self.attribute(below, chain[1:], seen)
        elif source is not None and "__getattr__" in source.bindings:
            yield Target(source, "__getattr__")

    def visit(self, place: Path) -> Source | None:
        """The source of a module, which from now on counts as reached."""
        source = self.files.get(place)
        if source is None:
            source = self.project.source(place)
            if source is not None:
                self.files[place] = source
        return source
