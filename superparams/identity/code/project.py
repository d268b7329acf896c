"""The user's own files: where they are, what each binds, and what their imports mean.

A file is the user's own when it lies in the project or in a library beside it, and neither in a
virtual environment, nor among installed packages, nor in the standard library, nor in superparams
itself. Nothing is imported to find out.
"""

from __future__ import annotations

import ast
import functools
import sys
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from importlib.util import decode_source, find_spec
from pathlib import Path
from typing import cast

from superparams.identity.code.class_parts import ClassParts
from superparams.identity.code.module_source import Call, calls_in, is_guard
from superparams.identity.code.own_folders import import_root, is_own_folder
from superparams.identity.code.roots import project_root
from superparams.identity.code.syntax import (
    Chain,
    Imported,
    Uses,
    bound_names,
    chain_of,
    imported,
    normal,
    uses,
)
from superparams.identity.source_texts import file_stamp, loaded_text, resolved_file

__all__ = ["Binding", "Project", "Source", "project_root", "read_source"]


@dataclass(eq=False)
class Binding:
    """One statement that binds a name, and the conditions of the ``if`` it stands under."""

    node: ast.stmt
    tests: tuple[ast.expr, ...] = ()
    imported: Imported | None = None

    @functools.cached_property
    def form(self) -> bytes:
        """The normal form, conditions included."""
        return normal((*self.tests, self.node))

    @functools.cached_property
    def uses(self) -> Uses:
        """What the statement takes from the module around it, conditions included."""
        return uses((*self.tests, self.node))


@dataclass(eq=False)
class Source:
    """The text of a file (or of a notebook cell) and what it binds at its top level.

    Attributes:
        effects: statements that change what a name holds without binding it, by the name they
            start from: ``TABLE["x"] = …``, ``TABLE.update(…)``, ``@TABLE.register`` on a def.
        calls: the calls at its top level, but for those that a script alone makes.
        stars: modules of which all names are imported.
        visits: all that is imported anywhere in the file.
        pieces: the classes that were taken to pieces, by node and the names of its fields.
        around: where names are looked up that are not bound here, for the body of a function.
        data: the text as it was read, in bytes.
    """

    name: str
    path: Path
    text: str
    bindings: dict[str, list[Binding]] = field(default_factory=dict[str, list[Binding]])
    effects: list[tuple[Chain, Binding]] = field(default_factory=list[tuple[Chain, Binding]])
    calls: list[tuple[Call, Binding]] = field(default_factory=list[tuple[Call, Binding]])
    stars: list[Imported] = field(default_factory=list[Imported])
    visits: list[Imported] = field(default_factory=list[Imported])
    pieces: dict[tuple[ast.ClassDef, frozenset[str], bool], ClassParts] = field(
        default_factory=dict[tuple[ast.ClassDef, frozenset[str], bool], ClassParts]
    )
    around: Source | None = None
    data: bytes = field(default=b"", repr=False)

    @functools.cached_property
    def lines(self) -> list[str]:
        """The lines of the text."""
        return self.text.splitlines()

    @functools.cached_property
    def classes(self) -> list[tuple[str, ast.ClassDef]]:
        """The classes at the top level that have bases."""
        nodes = ((name, one.node) for name, found in self.bindings.items() for one in found)
        return [(n, x) for n, x in nodes if isinstance(x, ast.ClassDef) and (x.bases or x.keywords)]

    @functools.cached_property
    def tree(self) -> ast.Module:
        """The tree of the text; an empty one when the text is not Python."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on the user's text: Python gave them already
            try:
                return ast.parse(self.text)
            except (SyntaxError, ValueError):
                return ast.Module([], [])

    def __post_init__(self) -> None:
        self.scan(self.tree.body, ())
        for node in _statements(self.tree.body):
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                self.visits += _visited(node)

    def inside(self, function: ast.FunctionDef | ast.AsyncFunctionDef) -> Source:
        """The body of a function as the place where a class of its own looks up names."""
        inner = Source(f"{self.name}.{function.name}", self.path, "", around=self)
        inner.scan(function.body, ())
        # The whole text, since positions in the tree are positions in the file.
        inner.text = self.text
        return inner

    def scan(self, body: Iterable[ast.stmt], tests: tuple[ast.expr, ...]) -> None:
        """Note what the statements of `body` bind, those under ``if`` and ``try`` included."""
        for node in body:
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                self._import(node, tests)
            elif isinstance(node, ast.If):
                self.scan(node.body, (*tests, node.test))
                self.scan(node.orelse, (*tests, node.test))
            elif type(node).__name__ in ("Try", "TryStar"):  # the latter since Python 3.11
                self._scan_try(cast(ast.Try, node), tests)
            elif isinstance(node, (ast.With, ast.AsyncWith)):
                contexts = [item.context_expr for item in node.items]
                self.scan(node.body, (*tests, *contexts))
                targets = [item.optional_vars for item in node.items if item.optional_vars]
                self._bind(bound_names(targets), node, tests)
            else:
                self._bind(bound_names([node]), node, tests)
                self._note_effects(node, tests)

    def _note_effects(self, node: ast.stmt, tests: tuple[ast.expr, ...]) -> None:
        binding = Binding(node, tests)
        # Of a loop, what its statements change.
        inner = [node, *_statements_here(node)]
        self.effects += [(chain, binding) for each in inner for chain in _changed(each)]
        if not any(map(is_guard, tests)) and not isinstance(node, _DEFINITIONS):
            self.calls += [(call, binding) for call in calls_in(node)]

    def _scan_try(self, node: ast.Try, tests: tuple[ast.expr, ...]) -> None:
        handled = [statement for handler in node.handlers for statement in handler.body]
        self.scan([*node.body, *handled, *node.orelse, *node.finalbody], tests)

    def _bind(self, names: Iterable[str], node: ast.stmt, tests: tuple[ast.expr, ...]) -> None:
        binding = Binding(node, tests)  # shared by all names of one statement
        for name in names:
            self.bindings.setdefault(name, []).append(binding)

    def _import(self, node: ast.Import | ast.ImportFrom, tests: tuple[ast.expr, ...]) -> None:
        for name, found in imported(node):
            if name == "*":
                self.stars.append(found)
            else:
                self.bindings.setdefault(name, []).append(Binding(node, tests, found))


def _statements(body: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """All statements in `body`, at any depth."""
    for node in body:
        yield node
        for name in ("body", "orelse", "handlers", "finalbody", "cases"):
            inner = getattr(node, name, None)
            if isinstance(inner, list):
                yield from _statements(cast("list[ast.AST]", inner))


def _statements_here(node: ast.AST) -> Iterator[ast.stmt]:
    """The statements in a loop or ``match``, at any depth, without those of functions in it."""
    if isinstance(node, _DEFINITIONS):
        return
    for name in ("body", "orelse", "handlers", "finalbody", "cases"):
        inner: list[ast.AST] = getattr(node, name, None) or []
        for each in inner:
            if isinstance(each, ast.stmt):
                yield each
            yield from _statements_here(each)


_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def _visited(node: ast.Import | ast.ImportFrom) -> list[Imported]:
    if isinstance(node, ast.Import):
        return [Imported(alias.name) for alias in node.names]
    names = [alias.name for alias in node.names]
    return [Imported(node.module or "", node.level or 0, name) for name in names]


def _changed(node: ast.stmt) -> list[Chain]:
    """The names whose content a statement at the top level of a module changes."""
    places: list[ast.AST] = []
    if isinstance(node, ast.Assign):
        places = [target for target in node.targets if not isinstance(target, ast.Name)]
    elif isinstance(node, (ast.AugAssign, ast.AnnAssign)) and not isinstance(node.target, ast.Name):
        places = [node.target]
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        # TABLE.update(…) changes TABLE; print(TABLE) does not.
        if isinstance(node.value.func, ast.Attribute):
            places = [node.value.func.value]
    elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        calls = [getattr(item, "func", item) for item in node.decorator_list]
        places = [call for call in calls if chain_of(call) is not None]
    return [chain for chain in map(_root_chain, places) if chain is not None]


def _root_chain(node: ast.AST) -> Chain | None:
    while isinstance(node, (ast.Subscript, ast.Starred)):
        node = node.value
    return chain_of(node)


_sources: dict[Path, tuple[tuple[object, ...], Source]] = {}


def read_source(path: Path, name: str, *, as_on_disk: bool = False) -> Source | None:
    """The module at `path`: the text that was loaded; of one that is not loaded, what is on disk.

    It is read once, as long as the file stays as it is; None when it cannot be read.
    """
    held = None if as_on_disk else loaded_text(path)
    try:
        stamp = (held.number if held else file_stamp(str(path)), name)
        known = _sources.get(path)
        if known is not None and known[0] == stamp:
            return known[1]
        data = held.text if held else path.read_bytes()
        text = decode_source(data)
    except (OSError, SyntaxError, UnicodeDecodeError):
        return None
    source = Source(name, path, text, data=data)
    _sources[path] = (stamp, source)
    return source


class Project:
    """The project under `root`, and libraries of the user's own beside it.

    It finds the file of a module without importing anything. A `place` is a file, or the folder of
    a package that has no ``__init__.py``.

    Attributes:
        as_on_disk: whether to read the files as they are, whatever text of them was loaded.
        unseen: what was met that has no text to read, in sentences for the user.
    """

    def __init__(self, root: Path, *, as_on_disk: bool = False) -> None:
        self.root = root
        self.as_on_disk = as_on_disk
        self.unseen: dict[str, None] = {}
        self._owned: dict[Path, bool] = {}
        self._found: dict[tuple[Source, Imported], Path | None] = {}
        self._places: dict[tuple[Path, str], Path | None] = {}
        self._names: dict[Path, str] = {}
        self._sources: dict[Path, Source | None] = {}
        self._path = [Path(entry or ".").resolve() for entry in sys.path]
        self._on_path = [entry for entry in self._path if entry.is_relative_to(root)]

    def owns(self, path: Path) -> bool:
        """Whether the file at `path` is the user's own: of the project, or of a library beside."""
        folder = path.parent
        if folder not in self._owned:
            self._owned[folder] = is_own_folder(folder, self.root)
        return self._owned[folder]

    def source(self, place: Path) -> Source | None:
        """The text of a module; None for a folder or what cannot be read."""
        if place not in self._sources:
            is_text = place.suffix == ".py"
            name = self.name(place) if is_text else ""
            self._sources[place] = (
                read_source(place, name, as_on_disk=self.as_on_disk) if is_text else None
            )
        return self._sources[place]

    def name(self, path: Path) -> str:
        """The dotted name of a file, from its place under the root of the project or library."""
        if path not in self._names:
            is_inside = path.is_relative_to(self.root)
            root = self.root if is_inside else import_root(path, self._path)
            parts = list(path.relative_to(root).with_suffix("").parts)
            if parts[-1:] == ["__init__"]:
                parts.pop()
            if is_inside and parts[:1] == ["src"]:
                del parts[0]
            self._names[path] = ".".join(parts) or path.stem
        return self._names[path]

    def library(self, path: Path) -> Path | None:
        """The folder that the library of a file is imported from; None for one of the project."""
        return None if path.is_relative_to(self.root) else import_root(path, self._path)

    def module(self, source: Source, wanted: Imported) -> Path | None:
        """The place of the module that `wanted` imports (from) in `source`, if it is own code."""
        key = (source, wanted)
        if key not in self._found:
            find = self._relative if wanted.level else self._absolute
            self._found[key] = find(source, wanted)
        return self._found[key]

    def _relative(self, source: Source, wanted: Imported) -> Path | None:
        folder = source.path.parent
        for _ in range(wanted.level - 1):
            folder = folder.parent
        return self._inside(folder, wanted.module)

    def submodule(self, place: Path, name: str) -> Path | None:
        """The place of the module `name` in the package at `place`."""
        key = (place, name)
        if key not in self._places:
            is_module = place.suffix == ".py" and place.name != "__init__.py"
            folder = place.parent if place.suffix == ".py" else place
            found = None
            if not is_module:
                found = self._inside(folder, name) or self._loaded(f"{self.name(place)}.{name}")
            self._places[key] = found
        return self._places[key]

    def _inside(self, folder: Path, name: str) -> Path | None:
        """The place of the dotted `name` below `folder`; `folder` itself for an empty name."""
        place = folder.joinpath(*name.split(".")) if name else folder
        for file in (place / "__init__.py", place.with_name(f"{place.name}.py")):
            if self._is_there(file):
                return file if self.owns(file) else None
        return place if place.is_dir() and self.owns(place / "_") else None

    def _is_there(self, file: Path) -> bool:
        return file.is_file() or (not self.as_on_disk and loaded_text(file) is not None)

    def _absolute(self, source: Source, wanted: Imported) -> Path | None:
        name = wanted.module
        top = name.partition(".")[0]
        # What this process has imported under a name is what the name means here.
        if _file_of(name) is not None:
            return self._loaded(name)
        if _file_of(top) is not None and self.module(source, Imported(top)) is None:
            return None
        for folder in self._folders(source.path):
            found = self._inside(folder, name)
            if found is not None:
                return found
        return self._found_by_python(top, name)

    def _loaded(self, name: str) -> Path | None:
        """The file of a module that is loaded, if it is own code."""
        loaded = _file_of(name)
        file = Path(resolved_file(loaded)) if loaded is not None else None
        if file is None or not self.owns(file):
            return None
        if file.suffix == ".py" and (file.is_file() or loaded_text(file) is not None):
            return file
        self.unseen[f"{name} has no text to read ({file.name}): edits of it do not count"] = None
        return None

    def _found_by_python(self, top: str, name: str) -> Path | None:
        """The place of a module that is not loaded, where Python would find it: in a library."""
        if not top or top in sys.stdlib_module_names or top in _NOT_LOOKED_FOR:
            return None
        try:
            spec = find_spec(top)
        except Exception:  # whatever finders are there
            return None
        places = () if spec is None else spec.submodule_search_locations or (spec.origin or "",)
        for place in places:
            folder = Path(place).resolve()
            if folder.suffix == ".py":
                return folder if name == top and self.owns(folder) else None
            if self.owns(folder / "_"):
                inner = name[len(top) + 1 :]
                found = self._inside(folder, inner)
                if found is not None:
                    return found
        return None

    def _folders(self, file: Path) -> Iterable[Path]:
        """Where the modules of the project can lie, as seen from `file`."""
        folder = file.parent
        while (folder / "__init__.py").is_file() and folder != self.root:
            folder = folder.parent
        return dict.fromkeys([folder, *self._on_path, self.root, self.root / "src"])


_NOT_LOOKED_FOR = {"superparams"}


def _file_of(name: str) -> str | None:
    """The file of a loaded module."""
    loaded: object = getattr(sys.modules.get(name), "__file__", None)
    return loaded if isinstance(loaded, str) else None
