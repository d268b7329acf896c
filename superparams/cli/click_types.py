"""The arguments of verbs, and the suggestions of shells for them."""

from __future__ import annotations

import os
import re
import typing
from collections.abc import Iterable, Iterator
from enum import Enum
from pathlib import Path
from typing import Any, Final

import click
from click.shell_completion import CompletionItem

from superparams.cli.file_tree import Tree, classes_in
from superparams.cli.name_lookup import Root

__all__ = ["KEY", "NAME", "OVERRIDE", "Key", "Name", "Override"]


class Name(click.ParamType):  # type: ignore[type-arg]  # generic from click 8.3 on
    """An experiment, a file or a folder of them."""

    name = "name"

    def get_missing_message(
        self, param: click.Parameter, ctx: click.Context | None = None
    ) -> str | None:
        """The remedy if it is missing."""
        return "`experiment list` lists all experiments."

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Names with this beginning, in the experiments folder of the session."""
        from superparams.errors import CommandError

        try:
            return [*map(CompletionItem, targets(ctx.obj.root, incomplete))]
        except CommandError:  # there is no experiments folder
            return []


class Override(click.ParamType):  # type: ignore[type-arg]
    """``field=values`` for the experiments that the argument `target` names."""

    name = "override"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Fields and points with this beginning. The file of the experiments is imported for it."""
        classes = ctx.obj.experiments(ctx.params["target"])
        return [*map(CompletionItem, overrides(classes, incomplete))]


class Key(click.ParamType):  # type: ignore[type-arg]
    """The beginning of a key, or conditions that hold for only one setting."""

    name = "key"

    def get_missing_message(
        self, param: click.Parameter, ctx: click.Context | None = None
    ) -> str | None:
        """The remedy if it is missing."""
        return "Which setting? `experiment results NAME` shows the keys."


KEY = Key()
NAME = Name()
OVERRIDE = Override()


# ---- suggestions

MOST_POINTS: Final = 100
_PLAIN: Final = re.compile(r"[\w.+-]+")  # without special characters of shells


def targets(root: Root, incomplete: str) -> list[str]:
    """Names of experiments with this beginning, up to the next dot or slash.

    Classes are suggested after the name of their file. Nothing is imported.
    """
    tree = Tree(root.folder)
    paths = [path for path in _paths(root, tree, incomplete) if _is_next(path, incomplete, "/")]
    if "/" in incomplete:
        return paths
    # With the experiments folder, the user begins a path.
    names = [path for path in paths if path == f"{root.folder.name}/"]
    names += [name for name in _names(tree, incomplete) if _is_next(name, incomplete, ".")]
    prefix = f"{root.folder.name}."
    if incomplete.startswith(prefix):
        names += [prefix + name for name in targets(root, incomplete.removeprefix(prefix))]
    return sorted(set(names))


def _is_next(name: str, incomplete: str, mark: str) -> bool:
    more = name.removeprefix(incomplete)
    is_more = more != "" or not name.endswith(mark)
    return name.startswith(incomplete) and is_more and mark not in more.rstrip(mark)


def _names(tree: Tree, incomplete: str) -> Iterator[str]:
    yield from map(".".join, tree.folders(()))
    for parts, file in tree.files(()):
        name = ".".join(parts)
        yield name
        if incomplete.startswith(f"{name}."):
            yield from (f"{name}.{cls}" for cls in classes_in(file))


def _paths(root: Root, tree: Tree, incomplete: str) -> Iterator[str]:
    """Files and folders, relative to the working directory."""
    here = Path.cwd()
    base = root.folder if incomplete.startswith("/") else Path(os.path.relpath(root.folder, here))
    start = "" if base == Path(".") else f"{base.as_posix()}/"
    if incomplete.startswith("./") and not start.startswith("/"):
        start = f"./{start}"
    yield start
    yield from (f"{start}{'/'.join(parts)}/" for parts in tree.folders(()))
    yield from (f"{start}{'/'.join(parts)}.py" for parts, _ in tree.files(()))


def overrides(classes: Iterable[type[Any]], incomplete: str) -> list[str]:
    """Fields of experiments with this beginning, each with a ``=``; then points and options."""
    fields = {name: points for cls in classes for name, points in _fields(cls, 0)}
    name, equals, text = incomplete.partition("=")
    if not equals:
        return [f"{field}=" for field in fields if field.startswith(incomplete)]
    before, comma, last = text.rpartition(",")
    earlier_points = before.split(",")
    points = [point for point in fields.get(name, ()) if point not in earlier_points]
    return [f"{name}={before}{comma}{point}" for point in points if point.startswith(last)]


def _fields(cls: type[Any], depth: int) -> Iterator[tuple[str, list[str]]]:
    """The fields of a class and of its groups by dotted names, each with texts for it."""
    from superparams.declare.descriptors import REQUIRED, Value
    from superparams.declare.metaclass import recorded_fields
    from superparams.space.axis import Axis
    from superparams.space.groups import is_group

    for name, field in recorded_fields(cls).items():
        declared = field.declared
        points: list[Any] = []
        labels: list[str] = []
        if isinstance(declared, Axis):
            points = [*declared.points[:MOST_POINTS]]
            labels = [*(declared.labels or ())]
        elif isinstance(declared, Value) and declared.given is not REQUIRED:
            points = [declared.given]
        texts = labels or [*map(_text, [*points, *_options(field.annotation)])]
        yield name, [text for text in dict.fromkeys(texts) if text and _PLAIN.fullmatch(text)]
        groups: dict[type[Any], None] = {x.__class__: None for x in points if is_group(x)}
        for group in groups if depth < 3 else ():
            yield from ((f"{name}.{inner}", x) for inner, x in _fields(group, depth + 1))


def _options(annotation: object) -> list[object]:
    """All values of a bool, an enum or a ``Literal``."""
    if annotation is bool:
        return [True, False]
    origin = typing.get_origin(annotation)  # of list[int], which is a class for Python 3.10
    if origin is None and isinstance(annotation, type) and issubclass(annotation, Enum):
        return list(annotation)
    return [*typing.get_args(annotation)] if origin is typing.Literal else []


def _text(x: object) -> str:
    """A point as it is written on the command line; empty for objects."""
    if isinstance(x, Enum):
        return x.name
    if isinstance(x, bool):
        return str(x).lower()
    return str(x) if isinstance(x, (int, float, str)) or x is None else ""
