"""Finds the files, folders and classes that a name on the command line means; imports none.

Names are compared with the listing of the experiments folder. The text that was typed is never
opened as a path, so nothing outside of that folder is touched.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from superparams.cli.file_tree import Tree, classes_in
from superparams.errors import CommandError
from superparams.errors.suggestions import similar
from superparams.identity.code.roots import (
    FOLDER_NAME,
    configured_folder,
    experiments_folder,
    is_experiments_folder,
    project_root,
    register_experiments,
)

__all__ = [
    "ExperimentReference",
    "Root",
    "all_files",
    "find_root",
    "resolve",
    "root_at",
    "shown",
    "without_run",
]

LONGEST = 255  # characters of a name
MOST_FILES = 50  # that are read to find misplaced experiments


@dataclass(frozen=True)
class Root:
    """An experiments folder, and the project that it belongs to."""

    folder: Path
    project: Path


class Unknown(CommandError):
    """There is no experiment of this name."""

    def __init__(self, message: str, target: str) -> None:
        super().__init__(message)
        self.target = target


@dataclass(frozen=True)
class ExperimentReference:
    """An experiment file, or one class in it.

    Attributes:
        file: The file.
        name: The dotted path of the file.
        cls: The class; None for all classes in the file.
    """

    file: Path
    name: str
    cls: str | None = None


def find_root(start: Path) -> Root:
    """The experiments folder for commands that are started in the folder `start`.

    Raises:
        CommandError: When there is none in `start`, nor above it in the project.
    """
    project = project_root(start / "_.py")
    named = configured_folder(project)
    if named is not None:
        if not named.is_dir():
            raise CommandError(f"{project / 'pyproject.toml'} names {named}, which is not a folder")
        return Root(named, project)
    inside = experiments_folder(start / "_.py")
    if inside is not None and inside != project:
        return Root(inside, project)
    for folder in (start, *start.parents):
        if (folder / FOLDER_NAME).is_dir():
            return Root(folder / FOLDER_NAME, project)
        if is_experiments_folder(folder):
            return Root(folder, project)
        if folder == project:
            break
    raise CommandError(_no_root(start, project))


def _no_root(start: Path, project: Path) -> str:
    from superparams.cli.missing_modules import experiments_below

    problem = f"there is no folder {FOLDER_NAME}/ in {start}, nor above it in the project"
    below = [str(folder.relative_to(project)) for folder in experiments_below(project)]
    above = next((x for x in project.parents if (x / FOLDER_NAME).is_dir()), None)
    beside = [file.name for file in _python_files(start) if classes_in(file)]
    if above is not None and not below:
        return (
            f"{problem}, but there is {above / FOLDER_NAME}: start the command in {above}, or put "
            f"an empty pyproject.toml there, which makes all folders below it one project"
        )
    if beside and not below:
        return (
            f"{problem}, but {beside[0]} may have experiments: make the folder {FOLDER_NAME}/ and "
            f"move {beside[0]} there, or run it with Python if it calls run_all()"
        )
    if not below:
        return (
            f"{problem}; `experiment init` makes one, and [tool.superparams] {FOLDER_NAME} in "
            f"pyproject.toml names another"
        )
    return (
        f"{problem}, but there is {', '.join(below[:5])}: start the command there, or write "
        f'[tool.superparams] {FOLDER_NAME} = "{below[0]}" into {project / "pyproject.toml"}'
    )


def _python_files(folder: Path) -> list[Path]:
    """Some Python files in a folder; none if it cannot be listed."""
    return sorted(file for file in folder.glob("*.py") if file.is_file())[:MOST_FILES]


def root_at(folder: Path) -> Root:
    """A folder of any name as the experiments folder."""
    register_experiments(folder)
    return Root(folder, project_root(folder / "_.py"))


@dataclass(frozen=True)
class Meaning:
    """A folder, a file or a class that a name can mean.

    Attributes:
        kind: ``folder``, ``file`` or ``class``.
        parts: The path below the experiments folder, without ``.py``.
        cls: The name of the class.
    """

    kind: str
    parts: tuple[str, ...]
    cls: str | None = None

    def __str__(self) -> str:
        """A name for it that works from anywhere."""
        path = "/".join(self.parts)
        if self.kind == "folder":
            return f"{path}/"
        return f"{path}.py" if self.cls is None else f"{path}.py:{self.cls}"


def resolve(root: Root, target: str) -> list[ExperimentReference]:
    """The experiment files and classes that a name means, in the order in which they run.

    Raises:
        CommandError: For a text that can be no name, and for a name with several meanings.
        Unknown: For a name without a meaning.
    """
    refuse(target)
    tree = Tree(root.folder)
    meanings = list(dict.fromkeys(_meanings(root, tree, target)))
    if len(meanings) == 1:
        return _references_of(tree, meanings[0])
    if meanings:
        ways = "\n".join(f"  {_unique(root, tree, meaning)}" for meaning in meanings)
        raise CommandError(f"{target!r} is ambiguous; give one of these:\n{ways}")
    raise Unknown(_unknown(root, tree, target), target)


def all_files(root: Root) -> list[ExperimentReference]:
    """All experiment files, sorted by their path."""
    return [
        ExperimentReference(file, ".".join(parts)) for parts, file in Tree(root.folder).files(())
    ]


def shown(path: Path) -> str:
    """A path for people: relative to the working directory if it is below it."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def refuse(target: str) -> None:
    """Refuse a text that cannot be a name.

    Raises:
        CommandError: For a text that is empty, too long, or not printable.
    """
    if not target.strip(". "):
        raise CommandError(
            f"{target!r} is not the name of an experiment: give a file, folder or class"
        )
    if len(target) > LONGEST:
        raise CommandError(
            f"{target[:20]!r}… is not the name of an experiment: it has {len(target)} characters, "
            f"{LONGEST} are allowed"
        )
    if not target.isprintable():
        raise CommandError(
            f"{target!r} is not the name of an experiment: it has unprintable characters"
        )


def _meanings(root: Root, tree: Tree, target: str) -> list[Meaning]:
    if _is_path(target):
        return [
            meaning for reading in _readings(root, target) for meaning in _of_path(tree, *reading)
        ]
    parts = target.split(".")
    meanings = list(_of_name(tree, parts))
    if parts[0] == root.folder.name:
        meanings += _of_name(tree, parts[1:])
    return meanings


def _is_path(target: str) -> bool:
    return any(mark in target for mark in ("/", ":", os.sep)) or target.endswith(".py")


def _of_name(tree: Tree, parts: list[str]) -> list[Meaning]:
    """The meanings of a dotted name: a folder, a file, or a class in a file."""
    meanings = [Meaning("folder", tuple(parts))] if tree.has_folder(parts) else []
    if parts and tree.has_file(parts):
        meanings.append(Meaning("file", tuple(parts)))
    if len(parts) > 1 and tree.has_file(parts[:-1]) and tree.may_define(parts[:-1], parts[-1]):
        meanings.append(Meaning("class", tuple(parts[:-1]), parts[-1]))
    return meanings


def _readings(root: Root, target: str) -> list[tuple[tuple[str, ...], bool, str | None]]:
    """The readings of a path: the parts below the folder, whether it is a folder, the class."""
    path, colon, cls = target.partition(":")
    is_folder = path.endswith(("/", os.sep))
    candidates = [_parts_inside(root.folder, Path(os.path.abspath(path)))]
    if not path.startswith((".", "/")):
        plain = tuple(part for part in os.path.normpath(path).split(os.sep) if part)
        candidates.append(plain)
        if plain[:1] == (root.folder.name,):
            candidates.append(plain[1:])
    ways = [parts for parts in candidates if parts is not None and ".." not in parts]
    if not ways:
        raise CommandError(f"{target!r} leads out of {root.folder}, where the experiments are")
    return [(parts, is_folder, cls if colon else None) for parts in dict.fromkeys(ways)]


def _parts_inside(folder: Path, path: Path) -> tuple[str, ...] | None:
    for base in (folder, folder.resolve()):
        if path.is_relative_to(base):
            return path.relative_to(base).parts
    return None


def _of_path(tree: Tree, parts: tuple[str, ...], is_folder: bool, cls: str | None) -> list[Meaning]:
    last = parts[-1] if parts else ""
    stem = (*parts[:-1], last.removesuffix(".py"))
    if cls is not None:
        is_there = parts and tree.has_file(stem) and tree.may_define(stem, cls)
        return [Meaning("class", stem, cls)] if is_there else []
    meanings: list[Meaning] = []
    if not last.endswith(".py") and tree.has_folder(parts):
        meanings.append(Meaning("folder", parts))
    if parts and not is_folder and tree.has_file(stem):
        meanings.append(Meaning("file", stem))
    return meanings


def _references_of(tree: Tree, meaning: Meaning) -> list[ExperimentReference]:
    if meaning.kind == "folder":
        return [
            ExperimentReference(file, ".".join(parts)) for parts, file in tree.files(meaning.parts)
        ]
    return [ExperimentReference(tree.file(meaning.parts), ".".join(meaning.parts), meaning.cls)]


def _unique(root: Root, tree: Tree, meaning: Meaning) -> str:
    """A name that has no other meaning."""
    short = str(meaning)
    if set(_meanings(root, tree, short)) == {meaning}:
        return short
    path = os.path.relpath(root.folder, Path.cwd())
    return f"{path if path.startswith('.') else f'./{path}'}/{short}"


def _unknown(root: Root, tree: Tree, target: str) -> str:
    dotted = target.removesuffix(".py").replace("/", ".").replace(":", ".").strip(".")
    near = similar(dotted.removeprefix(f"{root.folder.name}."), _all_names(root, tree), 4)
    remedy = f"did you mean {', '.join(near)}?" if near else "`experiment list` lists all"
    file = Path(os.path.abspath(target.partition(":")[0]))
    if file.suffix == ".py" and _parts_inside(root.folder, file) is None and file.is_file():
        remedy = f"{file} is outside of this folder: move it there"
    return f"there is no experiment {target!r} in {root.folder}; {remedy}"


def _all_names(root: Root, tree: Tree) -> list[str]:
    """The names of all folders, files and classes."""
    names = [".".join(parts) for parts in tree.folders(())]
    for parts, file in tree.files(()):
        name = ".".join(parts)
        names += [name, *(f"{name}.{cls}" for cls in classes_in(file))]
    return names


def without_run(names: Sequence[str]) -> str:
    """The end of an error about classes that cannot run, or about a file without a class."""
    if not names:
        return "; write one: class Name(Experiment), with fields and a method run"
    has = "has" if len(names) == 1 else "have"
    return f" that can run: {', '.join(names)} {has} no run(); write one"
