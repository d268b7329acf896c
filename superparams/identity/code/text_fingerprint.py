"""The code and the declarations of a class, read only from the text of its file.

Code of the user is not imported. The fingerprint is equal to that of `fingerprint` for the imported
class, if the text shows all code that counts. Otherwise there is a reason instead:

- a base of the class is no name of a class, or a base makes classes in its own way;
- the class or one of its methods is decorated or made by a call, so that what a function closed
  over counts, too;
- the file defines the name more than once, or changes the class after its definition;
- modules are imported by names that are computed, or the search path of modules is changed.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from superparams.identity.code.class_parts import (
    declared_names,
    name_of_statement,
    outside_settings,
)
from superparams.identity.code.file_stamps import Stamps, stamps
from superparams.identity.code.fingerprint import Code, code_of_reach
from superparams.identity.code.module_source import Binding, Source
from superparams.identity.code.project import Project
from superparams.identity.code.reach import Reach
from superparams.identity.code.roots import experiments_folder, project_root
from superparams.identity.code.syntax import FUNCTIONS, chain_of, normal, uses

__all__ = [
    "LoadedDigests",
    "TextCode",
    "code_of_text",
    "declarations_of_text",
    "digests_of_loaded_text",
]

# Decorators after which a method is a plain function, or holds one without a closure.
_PLAIN_DECORATORS: Final = {
    *("property", "cached_property", "staticmethod", "classmethod", "abstractmethod", "override"),
    *("final", "overload", "getter", "setter", "deleter", "cache", "lru_cache"),
}
_OTHER_PATHS: Final = re.compile(
    r"\bsys\s*\.\s*path\b|from sys import|\baddsitedir\b|\bmeta_path\b|\bpath_hooks\b|\b__path__\b"
)
_HOOKS: Final = {"__init_subclass__", "__class_getitem__", "__set_name__", "__mro_entries__"}


@dataclass(frozen=True)
class TextCode:
    """The code of a class, read from its text.

    Attributes:
        code: The code; None if the text does not show it.
        why: Why there is none, as a sentence without its end; empty if there is one.
        is_decided_by_files: Whether the code is the same as long as the files that it reached are.
    """

    code: Code | None
    why: str = ""
    is_decided_by_files: bool = True

    @property
    def digest(self) -> str | None:
        """The digest of the code."""
        return None if self.code is None else self.code.digest


def code_of_text(file: Path, qualname: str, *, root: Path | None = None) -> TextCode:
    """The code of a class; see the head of the module.

    Args:
        file: The file of the class.
        qualname: The class.
        root: The folder of the project; by default the `project_root` of the file.
    """
    project = _project(file, root, as_on_disk=True)
    return _reached(Reach(project), file.resolve(), qualname, has_closures=True)


def declarations_of_text(file: Path, qualname: str) -> str | None:
    """A digest of the declarations of a class, from its text; None if the text does not show them.

    It covers the declarations of the class, of its bases and of the groups that they name, `valid`,
    and all of the user's code that they use. The same digest means the same space, unless a value
    in it was computed from something else than text.
    """
    reach = _Declarations(_project(file, None, as_on_disk=True))
    return _reached(reach, file.resolve(), qualname, has_closures=False).digest


@dataclass(frozen=True)
class LoadedDigests:
    """What the text of a class tells, as this process loaded it.

    Attributes:
        code: The digest of `code_of_text`.
        declarations: As `declarations_of_text`.
    """

    code: str | None
    declarations: str | None


# By the file and the name of the class, with stamps of what the digests depend on.
_fingerprints: Final[dict[tuple[Path, str], tuple[Stamps, LoadedDigests]]] = {}


def digests_of_loaded_text(file: Path, qualname: str) -> LoadedDigests:
    """The digests of a class of a module that this process has loaded.

    Where the file was edited since, the text that was loaded counts.
    """
    entry = _fingerprints.get((file, qualname))
    if entry is not None and stamps(entry[0]) == entry[0]:
        return entry[1]
    project, path = _project(file, None, as_on_disk=False), file.resolve()
    whole, declared = Reach(project), _Declarations(project)
    digests = LoadedDigests(
        _reached(whole, path, qualname, has_closures=True).digest,
        _reached(declared, path, qualname, has_closures=False).digest,
    )
    files = [path, *whole.files, *declared.files]
    folders = (source_file.parent for source_file in files)
    _fingerprints[file, qualname] = stamps([*files, project.root, *folders]), digests
    return digests


def _project(file: Path, root: Path | None, *, as_on_disk: bool) -> Project:
    project = (root or project_root(file.resolve())).resolve()
    experiments = experiments_folder(file)
    # Where the command lets an experiment find its modules.
    more = [] if experiments is None else [project, experiments.parent, experiments]
    return Project(project, as_on_disk=as_on_disk, more=more)


class _Declarations(Reach):
    """Reaches what the declarations of a class use, and not its methods."""

    def take_class(self, source: Source, name: str, binding: Binding, node: ast.ClassDef) -> None:
        if not self.is_params(source, node):
            super().take_class(source, name, binding, node)
            return
        if (source, node) in self.taken:
            return
        self.taken.add((source, node))
        around = [*binding.tests, *node.bases, *(keyword.value for keyword in node.keywords)]
        not_declared = outside_settings(node) - {"valid"}
        body = [
            item
            for item in node.body
            if isinstance(item, (ast.Assign, ast.AnnAssign)) or name_of_statement(item) == "valid"
            if name_of_statement(item) not in not_declared
        ]
        self._add(source, name, normal([*around, *body]), node)
        self.follow(source, uses(around))
        self.follow(source, uses(body, in_class=True))


def _reached(reach: Reach, file: Path, qualname: str, *, has_closures: bool) -> TextCode:
    """The code that `reach` finds; `has_closures`: whether what methods closed over counts."""
    try:
        if not reach.project.owns(file):
            return TextCode(None, f"{file.name} is not in a project")
        if not reach.add_qualname(file, qualname):
            return TextCode(None, f"{file.name} has no class statement for {qualname}")
        reach.finish()
        source, bases = reach.files[file], dict[ast.ClassDef, Source]()
        why = next(_gaps(reach, source, qualname, bases, has_closures), None)
        if reach.has_unknown_imports:
            why = "its code imports modules by names that it computes"
            return TextCode(None, why, is_decided_by_files=False)
        if why is not None:
            return TextCode(None, why)
        roots = [(source.path, cls.name) for cls, source in bases.items()]
        return TextCode(code_of_reach(reach, roots))
    except (RecursionError, MemoryError):
        return TextCode(None, f"the text of {file.name} is nested too deeply")


# ---- what the text does not tell


def _gaps(
    reach: Reach,
    source: Source,
    qualname: str,
    bases: dict[ast.ClassDef, Source],
    has_closures: bool,
) -> Iterator[str]:
    """See the head of the module; `bases` gets the class and all of its bases."""
    if "." in qualname:
        yield f"{qualname} is defined inside of something else"
        return
    nodes = [node for node in ast.walk(source.tree) if isinstance(node, ast.ClassDef)]
    own = [node for node in nodes if node.name == qualname]
    if len(own) != 1:
        yield f"{source.path.name} defines {qualname} more than once"
        return
    if own[0].decorator_list:
        yield f"{qualname} has a decorator"
    if has_closures:
        yield from _gaps_of_body(own[0])
    yield from _later_changes(reach, source, own[0])
    yield from _gaps_of_bases(reach, source, own[0], bases)
    yield from _gaps_of_modules(reach)


def _gaps_of_body(node: ast.ClassDef) -> Iterator[str]:
    """Functions may have closed over values, which count for the class itself."""
    fields = set(declared_names(node)) | outside_settings(node)  # the latter do not count at all
    for item in node.body:
        if isinstance(item, FUNCTIONS):
            if not all(map(_is_plain_decorator, item.decorator_list)):
                yield f"{node.name}.{item.name} has a decorator that may keep values"
        elif isinstance(item, (ast.Assign, ast.AnnAssign)):
            targets = item.targets if isinstance(item, ast.Assign) else [item.target]
            names = {getattr(target, "id", "") for target in targets}
            if not names <= fields and item.value is not None and not _is_plain(item.value):
                yield f"{node.name}.{', '.join(sorted(names))} is made when the file is imported"
        elif not isinstance(item, (ast.Expr, ast.Pass, ast.ClassDef)):
            yield f"the body of {node.name} has other statements than definitions"


def _is_plain_decorator(node: ast.expr) -> bool:
    chain = chain_of(node.func if isinstance(node, ast.Call) else node)
    return chain is not None and chain[-1] in _PLAIN_DECORATORS


def _is_plain(value: ast.expr) -> bool:
    """Whether a value is no function that has closed over something."""
    if isinstance(value, (ast.Tuple, ast.List, ast.Set)):
        return all(map(_is_plain, value.elts))
    if isinstance(value, ast.Dict):
        return all(map(_is_plain, value.values))
    return isinstance(
        value, (ast.Constant, ast.Lambda, ast.UnaryOp, ast.BinOp, ast.Compare, ast.JoinedStr)
    )


def _later_changes(reach: Reach, source: Source, node: ast.ClassDef) -> Iterator[str]:
    """Statements of any module that change the class."""
    for inner in reach.files.values():
        changed = (call.changed for call, _ in inner.calls)
        for chain in (*(chain for chain, _ in inner.effects), *filter(None, changed)):
            if any(x.source is source and node in x.nodes for x in reach.locate(inner, chain)):
                yield f"{inner.path.name} changes {node.name} after its definition"


def _gaps_of_bases(
    reach: Reach, source: Source, node: ast.ClassDef, visited: dict[ast.ClassDef, Source]
) -> Iterator[str]:
    """All bases count, whatever name each of them has."""
    if node in visited:
        return
    visited[node] = source
    if node.keywords:
        yield f"{node.name} has arguments beside its bases"
    for base in node.bases:
        chain = chain_of(base.value if isinstance(base, ast.Subscript) else base)
        targets = reach.locate(source, chain) if chain is not None else []
        if chain is None or len(targets) > 1:
            yield f"a base of {node.name} is made when the file is imported"
        for target in targets:
            if target.source is None:
                continue
            if len(target.nodes) != 1 or [x.name for x in target.classes] != [target.name]:
                yield f"a base of {node.name} is made when the file is imported"
                continue
            (cls,) = target.classes
            names = {getattr(item, "name", "") for item in cls.body}
            if cls.decorator_list or not _HOOKS.isdisjoint(names):
                yield f"{cls.name}, a base of {node.name}, may change the class"
            yield from _gaps_of_bases(reach, target.source, cls, visited)


def _gaps_of_modules(reach: Reach) -> Iterator[str]:
    """Imports may mean other files than the text tells."""
    for source in reach.files.values():
        if _OTHER_PATHS.search(source.text):
            yield f"{source.path.name} may change where modules are imported from"
        for imported in source.visits:
            top = imported.module.partition(".")[0]
            is_standard = not imported.level and top in sys.stdlib_module_names
            if is_standard and reach.project.module(source, imported) is not None:
                yield f"a module of the project has the name of {top} of Python"
