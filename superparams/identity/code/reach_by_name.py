"""Reaches code by name, from module to module of a project."""

from __future__ import annotations

import ast
import builtins
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from superparams.identity.code.class_parts import (
    ClassParts,
    assigned_calls,
    class_parts,
    declared_names,
)
from superparams.identity.code.indirect_bindings import COMPUTED
from superparams.identity.code.module_source import Binding, Source
from superparams.identity.code.project import Project
from superparams.identity.code.syntax import (
    FUNCTIONS,
    Chain,
    Imported,
    Uses,
    chain_of,
    lines_of,
    normal,
    uses,
)

__all__ = ["CodePart", "ReachByName", "Target"]


class CodePart:
    """A piece of code that counts: all statements that bind or change one name of a module."""

    def __init__(self) -> None:
        self._entries: list[tuple[int, bytes, str]] = []

    def add(self, line: int, form: bytes, text: str) -> None:
        """Add the normal form and the text of code that begins at `line` of the file."""
        self._entries.append((line, form, text))

    @property
    def forms(self) -> list[bytes]:
        """The normal forms in the order of the file."""
        return [form for _, form, _ in sorted(self._entries)]

    @property
    def texts(self) -> list[str]:
        """The texts in the order of the file."""
        return [text for _, _, text in sorted(self._entries) if text]


@dataclass(frozen=True, eq=False)
class Target:
    """The target of a chain of names: a name in a module, a module, or an object outside."""

    source: Source | None = None
    name: str | None = None
    location: Path | None = None
    outside: str | None = None

    @property
    def nodes(self) -> list[ast.stmt]:
        """The statements that bind the name in its module."""
        if self.source is None or self.name is None:
            return []
        return [binding.node for binding in self.source.bound(self.name)]

    @property
    def classes(self) -> list[ast.ClassDef]:
        """The classes of the name in its module."""
        return [node for node in self.nodes if isinstance(node, ast.ClassDef)]

    @property
    def is_superparams(self) -> bool:
        """Whether it belongs to superparams."""
        return (self.outside or "").partition(".")[0] == "superparams"


class _Lookup:
    """Looks up names in the modules of a project.

    Attributes:
        files: The modules that were read on the way.
    """

    def __init__(self, project: Project) -> None:
        self.project = project
        self.files: dict[Path, Source] = {}
        self._targets: dict[tuple[Source, Chain], list[Target]] = {}

    def locate(self, source: Source, chain: Chain) -> list[Target]:
        """The targets of `chain` in the module `source`; none for a builtin name."""
        targets = self._targets.get((source, chain))
        if targets is None:
            targets = self._targets[source, chain] = list(self._locate(source, chain, set()))
        return targets

    def _locate(
        self, source: Source, chain: Chain, visited: set[tuple[Source, Chain]]
    ) -> Iterator[Target]:
        if (source, chain) in visited:
            return
        visited.add((source, chain))
        name, rest = chain[0], chain[1:]
        bindings = source.bindings.get(name)
        if bindings is None:
            if source.around is not None:
                yield from self._locate(source.around, chain, visited)
            if name in source.indirect:
                yield Target(source, name)
                return
            if hasattr(builtins, name):
                return
            for star in source.stars:
                yield from self._imported(source, star, chain, visited)
            if COMPUTED in source.indirect and not name.startswith("__"):
                yield Target(source, COMPUTED)
            return
        if any(binding.imported is None for binding in bindings):
            yield Target(source, name)
        for binding in bindings:
            if binding.imported is not None:
                yield from self._imported(source, binding.imported, rest, visited)

    def _imported(
        self, source: Source, imported: Imported, rest: Chain, visited: set[tuple[Source, Chain]]
    ) -> Iterator[Target]:
        """The targets of `rest`, as attributes of the import `imported` of `source`."""
        location = self.project.module(source, imported)
        if location is None:
            names = (imported.module, imported.name or "", *rest)
            yield Target(outside=".".join(filter(None, names)))
        elif imported.name in (None, "*"):
            yield from self._attribute(location, rest, visited)
        else:
            yield from self._attribute(location, (imported.name or "", *rest), visited)

    def _attribute(
        self, location: Path, chain: Chain, visited: set[tuple[Source, Chain]]
    ) -> Iterator[Target]:
        """The targets of `chain`, as attributes of the module at `location`."""
        source = self.visit(location)
        if not chain:
            yield Target(source, location=location)
            return
        if source is not None:
            targets = list(self._locate(source, chain, visited))
            yield from targets
            if targets:
                return
        submodule = self.project.submodule(location, chain[0])
        if submodule is not None:
            yield from self._attribute(submodule, chain[1:], visited)
        elif source is not None and "__getattr__" in source.bindings:
            yield Target(source, "__getattr__")

    def visit(self, location: Path) -> Source | None:
        """The source of a module, which from now on counts as reached."""
        source = self.files.get(location)
        if source is None:
            source = self.project.source(location)
            if source is not None:
                self.files[location] = source
        return source


class ReachByName(_Lookup):
    """Collects the parts that are reached by name; `follow_rest` follows all added names.

    Names are reached in two ways. *Fully*: their definition counts. *As declared*, by the
    declaration of a field: functions and classes count, but constants do not, since their values
    are in the key.
    """

    def __init__(self, project: Project) -> None:
        super().__init__(project)
        self.parts: dict[str, CodePart] = {}
        self.done: set[tuple[Source, str, bool]] = set()
        self.taken: set[object] = set()
        self._todo: list[tuple[Source, str | None, bool]] = []
        self._whole_modules: set[tuple[Source, bool]] = set()
        self._noted_imports: set[tuple[Source, str]] = set()
        self._fields: dict[ast.ClassDef, frozenset[str] | None] = {}

    def add_qualname(self, file: Path, qualname: str) -> bool:
        """Reach the class `qualname` of `file`; False if it is not in the text."""
        source = self.visit(file)
        if source is None:
            return False
        steps: list[tuple[Source, ast.stmt | None, str]] = [(source, None, "")]
        for name in qualname.split("."):
            steps = [inner for step in steps for inner in _step(*step, name)]
        classes = [step for step in steps if isinstance(step[1], ast.ClassDef)]
        for inner, node, prefix in classes:
            if inner is source and prefix == "":
                self.want(source, qualname, True)
            elif isinstance(node, ast.ClassDef):
                self.take_class(inner, prefix + node.name, Binding(node), node)
        return bool(classes)

    def follow(self, source: Source, used: Uses, full: bool = True) -> None:
        """Reach the names that a piece of code in `source` uses."""
        for chain in used.chains:
            self._follow_chain(source, chain, full)
        for imported, rest in used.imports:
            self._take_targets(self._imported(source, imported, rest, set()), full)
        if full:
            self.use(source, used)

    def use(self, source: Source, used: Uses) -> None:
        """Called with the names that a piece of code uses, if the code counts fully."""

    def follow_module(self, location: Path, chain: Chain, full: bool = True) -> None:
        """Reach `chain` as attributes of the module at `location`; all of it without a chain."""
        self._take_targets(self._attribute(location, chain, set()), full)

    def _follow_chain(self, source: Source, chain: Chain, full: bool) -> None:
        if full:
            self._note_imports(source, chain[0])
        self._take_targets(self.locate(source, chain), full)

    def _note_imports(self, source: Source, name: str) -> None:
        """Count the import of a name: ``import ujson as json`` differs from ``import json``."""
        if (source, name) in self._noted_imports:
            return
        self._noted_imports.add((source, name))
        for binding in source.bindings.get(name, ()):
            imported = binding.imported
            if imported is not None:
                location = self.project.module(source, imported)
                module = imported.module if location is None else self.project.name(location)
                form = f"import {module} {imported.name or ''}".encode()
                self._add(source, name, form, binding.node)

    def _take_targets(self, targets: Iterable[Target], full: bool) -> None:
        for target in targets:
            if target.source is None:
                continue
            if target.name is not None:
                self.want(target.source, target.name, full)
            elif (target.source, full) not in self._whole_modules:
                # Code gets the module itself, and may use anything in it.
                self._whole_modules.add((target.source, full))
                self._todo.append((target.source, None, full))

    def want(self, source: Source, name: str, full: bool = True) -> None:
        """Reach a name of a module."""
        if (source, name, full) not in self.done:
            self.done.add((source, name, full))
            self._todo.append((source, name, full))

    @property
    def has_more(self) -> bool:
        """Whether some reached names were not followed yet."""
        return bool(self._todo)

    def is_params(self, source: Source, node: ast.ClassDef) -> bool:
        """Whether a class is a `Params` or an `Experiment`."""
        return self._inherited_fields(source, node) is not None

    def follow_rest(self) -> None:
        """Follow all names that were reached."""
        while self._todo:
            source, name, full = self._todo.pop()
            if name is None:
                for each in list(source.bindings):
                    self._follow_chain(source, (each,), full)
                continue
            for binding in source.bound(name):
                if binding.imported is None:
                    self.take(source, name, binding, full)

    def take(self, source: Source, name: str, binding: Binding, full: bool = True) -> None:
        """Count the code that `binding` binds to `name`, and follow the names that it uses."""
        node = binding.node
        if isinstance(node, ast.ClassDef):
            self.take_class(source, name, binding, node)
            return
        full = full or isinstance(node, FUNCTIONS)
        entry = (source, name, binding, full)
        if entry in self.taken:
            return
        self.taken.add(entry)
        if full:
            self._add(source, name, binding.form, node)
        self.follow(source, binding.uses, full)

    def take_class(self, source: Source, name: str, binding: Binding, node: ast.ClassDef) -> None:
        """Count a class: its body, its methods, its bases and the classes inside it."""
        if (source, node) in self.taken:
            return
        self.taken.add((source, node))
        parts = self._class_parts(source, node)
        body = normal(binding.tests) + parts.form
        self._add(source, name, body, node, parts.not_in_form)
        for method, form in parts.methods:
            self._add(source, f"{name}.{method.name}", form, method)
        self.follow(source, uses(binding.tests))
        self.follow(source, parts.uses)
        self.follow(source, parts.uses_of_declarations, full=False)
        for inner in parts.inner:
            self.take_class(source, f"{name}.{inner.name}", Binding(inner), inner)

    def _class_parts(self, source: Source, node: ast.ClassDef) -> ClassParts:
        inherited = self._inherited_fields(source, node)
        if inherited is None:
            # A mixin declares fields by ``search(...)`` and ``value(...)`` of superparams.
            names = {
                name
                for name, called in assigned_calls(node)
                if any(target.is_superparams for target in self.locate(source, called))
            }
            key = (node, frozenset(names), False)
        else:
            key = (node, inherited.union(declared_names(node)), True)
        if key not in source.parts:
            source.parts[key] = class_parts(*key)
        return source.parts[key]

    def _inherited_fields(self, source: Source, node: ast.ClassDef) -> frozenset[str] | None:
        """The fields of the bases of a `Params`; None for another class."""
        if node not in self._fields:
            self._fields[node] = None  # for a class among its own bases
            fields = [self._fields_of_base(source, base) for base in node.bases]
            of_params = [names for names in fields if names is not None]
            self._fields[node] = frozenset[str]().union(*of_params) if of_params else None
        return self._fields[node]

    def _fields_of_base(self, source: Source, base: ast.expr) -> frozenset[str] | None:
        """The fields of a base, inherited ones included; None if it is no `Params`."""
        chain = chain_of(base.value if isinstance(base, ast.Subscript) else base)
        fields: set[str] | None = None
        for target in self.locate(source, chain) if chain else ():
            if target.is_superparams:
                fields = fields or set()
            for node in target.classes:
                inherited = self._inherited_fields(cast("Source", target.source), node)
                if inherited is not None:
                    fields = {*(fields or ()), *inherited, *declared_names(node)}
        return None if fields is None else frozenset(fields)

    def _add(
        self,
        source: Source,
        name: str,
        form: bytes,
        node: ast.stmt,
        hidden: Iterable[ast.stmt] = (),
    ) -> None:
        """Count `form` to `name`, and show the lines of `node` except those of `hidden`."""
        hidden_lines = {line for item in hidden for line in lines_of(item)}
        lines = [source.lines[i] for i in lines_of(node) if i not in hidden_lines]
        part = self.parts.setdefault(f"{source.name}.{name}", CodePart())
        part.add(node.lineno, form, textwrap.dedent("\n".join(lines)))


def _step(
    source: Source, scope: ast.stmt | None, prefix: str, name: str
) -> Iterator[tuple[Source, ast.stmt | None, str]]:
    """One step down a qualified name: the meaning of `name` in a module, class or function."""
    if name == "<locals>":
        if isinstance(scope, FUNCTIONS):
            yield source.inside(scope), None, ""
        return
    if isinstance(scope, ast.ClassDef):
        inner: list[ast.stmt] = [node for node in scope.body if getattr(node, "name", "") == name]
        prefix += f"{scope.name}."
    else:
        inner = [binding.node for binding in source.bindings.get(name, ())]
    for node in inner:
        yield source, node, prefix
