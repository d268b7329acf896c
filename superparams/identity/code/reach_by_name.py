"""What is reached by name, from module to module of a project."""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import cast

from superparams.identity.code.class_parts import (
    ClassParts,
    class_parts,
    declared_names,
    made_names,
)
from superparams.identity.code.name_resolution import Lookup, Target, classes_of, is_superparams
from superparams.identity.code.project import Binding, Project, Source
from superparams.identity.code.syntax import Chain, Uses, chain_of, normal, uses

__all__ = ["ByName", "CodePart"]

_Function = (ast.FunctionDef, ast.AsyncFunctionDef)


class CodePart:
    """A piece of code that counts: all that binds or changes one name of a module."""

    def __init__(self) -> None:
        self._entries: list[tuple[int, bytes, str]] = []

    def add(self, line: int, form: bytes, text: str) -> None:
        """Add the normal form and the text of what begins at `line` of the file."""
        self._entries.append((line, form, text))

    @property
    def forms(self) -> list[bytes]:
        """The normal forms in the order of the file, however they were found."""
        return [form for _, form, _ in sorted(self._entries)]

    @property
    def texts(self) -> list[str]:
        """The texts in the order of the file."""
        return [text for _, _, text in sorted(self._entries) if text]


class ByName(Lookup):
    """Collects the parts that are reached by name; `follow_rest` follows all that was added.

    Names are reached in two ways. *Fully*: what they are bound to counts. *As declared*, by the
    declaration of a field: constants are only passed through, since their values are in the key,
    but functions and classes count.
    """

    def __init__(self, project: Project) -> None:
        super().__init__(project)
        self.parts: dict[str, CodePart] = {}
        self.done: set[tuple[Source, str, bool]] = set()
        self._noted: set[tuple[Source, str]] = set()
        self._todo: list[tuple[Source, str, bool]] = []
        self.taken: set[object] = set()
        self._fields: dict[ast.ClassDef, frozenset[str] | None] = {}

    def add_qualname(self, file: Path, qualname: str) -> bool:
        """Reach the class `qualname` of `file`; False when it is not in the text."""
        source = self.visit(file)
        if source is None:
            return False
        *outer, name = qualname.split(".")
        found: list[tuple[Source, ast.stmt | None, str]] = [(source, None, "")]
        for step in outer:
            found = [each for item in found for each in _step(*item, step)]
        found = [each for item in found for each in _step(*item, name)]
        classes = [item for item in found if isinstance(item[1], ast.ClassDef)]
        for inner, node, prefix in classes:
            if inner is source and prefix == "":
                self.want(source, qualname, True)
            elif isinstance(node, ast.ClassDef):
                self.take_class(inner, prefix + node.name, Binding(node), node)
        return bool(classes)

    def follow(self, source: Source, used: Uses, full: bool = True) -> None:
        """Reach what a piece of code in `source` uses."""
        for chain in used.chains:
            self._follow_chain(source, chain, full)
        for wanted, rest in used.imports:
            for target in self.imported(source, wanted, rest, set()):
                self._take_target(target, full)
        if full:
            self.use(source, used)

    def use(self, source: Source, used: Uses) -> None:
        """Called with what a piece of code that counts takes from outside."""

    def follow_place(self, place: Path, chain: Chain, full: bool = True) -> None:
        """Reach `chain` as attributes of the module at `place`; all of it for an empty chain."""
        for target in self.attribute(place, chain, set()):
            self._take_target(target, full)

    def _follow_chain(self, source: Source, chain: Chain, full: bool) -> None:
        if full:
            self._note_imports(source, chain)
        for target in self.locate(source, chain):
            self._take_target(target, full)

    def _note_imports(self, source: Source, chain: Chain) -> None:
        """What a name stands for is code too: ``import ujson as json`` against ``import json``."""
        bindings = [item for item in source.bindings.get(chain[0], ()) if item.imported]
        if not bindings or (source, chain[0]) in self._noted:
            return
        self._noted.add((source, chain[0]))
        for binding in bindings:
            self._add(source, chain[0], self._standing(source, binding), binding.node)

    def _standing(self, source: Source, binding: Binding) -> bytes:
        wanted = binding.imported
        assert wanted is not None
        place = self.project.module(source, wanted)
        module = wanted.module if place is None else self.project.name(place)
        return f"import {module} {wanted.name or ''}".encode()

    def _take_target(self, target: Target, full: bool) -> None:
        if target.source is None:
            return
        if target.name is not None:
            self.want(target.source, target.name, full)
        else:  # the module itself is passed on: anything in it may be used
            for name in list(target.source.bindings):
                self._follow_chain(target.source, (name,), full)

    def want(self, source: Source, name: str, full: bool = True) -> None:
        """Reach a name of a module."""
        if (source, name, full) not in self.done:
            self.done.add((source, name, full))
            self._todo.append((source, name, full))

    @property
    def has_more(self) -> bool:
        """Whether something was reached that was not followed yet."""
        return bool(self._todo)

    def is_params(self, source: Source, node: ast.ClassDef) -> bool:
        """Whether a class is a `Params` or an `Experiment`."""
        return self._inherited(source, node) is not None

    def follow_rest(self) -> None:
        """Follow all that was reached by name."""
        while self._todo:
            self._take(*self._todo.pop())

    def _take(self, source: Source, name: str, full: bool) -> None:
        for binding in source.bindings[name]:
            if binding.imported is None:
                self.take(source, name, binding, full)

    def take(self, source: Source, name: str, binding: Binding, full: bool = True) -> None:
        """Count what `binding` binds to `name`, and follow what it uses."""
        node = binding.node
        if isinstance(node, ast.ClassDef):
            self.take_class(source, name, binding, node)
            return
        full = full or isinstance(node, _Function)
        mark = (source, name, binding, full)
        if mark in self.taken:
            return
        self.taken.add(mark)
        if full:
            self._add(source, name, binding.form, node)
        self.follow(source, binding.uses, full)

    def take_class(self, source: Source, name: str, binding: Binding, node: ast.ClassDef) -> None:
        """Count a class: its body, its methods, its bases and the classes inside it."""
        if (source, node) in self.taken:
            return
        self.taken.add((source, node))
        pieces = self._in_pieces(source, node)
        body = normal(binding.tests) + pieces.form
        self._add(source, name, body, node, without=pieces.elsewhere)
        for method, form in pieces.methods:
            self._add(source, f"{name}.{method.name}", form, method)
        self.follow(source, uses(binding.tests))
        self.follow(source, pieces.uses)
        self.follow(source, pieces.declared, full=False)
        for inner in pieces.inner:
            self.take_class(source, f"{name}.{inner.name}", Binding(inner), inner)

    def _in_pieces(self, source: Source, node: ast.ClassDef) -> ClassParts:
        inherited = self._inherited(source, node)
        if inherited is None:
            names = {name for name, called in made_names(node) if self._is_ours(source, called)}
            key = (node, frozenset(names), False)
        else:
            key = (node, inherited.union(declared_names(node)), True)
        known = source.pieces.get(key)
        if known is None:
            known = source.pieces[key] = class_parts(*key)
        return known

    def _inherited(self, source: Source, node: ast.ClassDef) -> frozenset[str] | None:
        """The fields of the bases of a `Params`; None for a class that is none."""
        if node not in self._fields:
            self._fields[node] = None  # for a class among its own bases, while it is looked at
            found = [self._fields_of(source, base) for base in node.bases]
            known = [fields for fields in found if fields is not None]
            self._fields[node] = frozenset[str]().union(*known) if known else None
        return self._fields[node]

    def _fields_of(self, source: Source, base: ast.expr) -> frozenset[str] | None:
        """The fields of a base, and of its own bases; None when it is no `Params`."""
        chain = chain_of(base.value if isinstance(base, ast.Subscript) else base)
        fields: set[str] | None = None
        for target in self.locate(source, chain) if chain else ():
            if is_superparams(target):
                fields = fields or set()
            for node in classes_of(target):
                inherited = self._inherited(cast(Source, target.source), node)
                if inherited is not None:
                    fields = {*(fields or ()), *inherited, *declared_names(node)}
        return None if fields is None else frozenset(fields)

    def _is_ours(self, source: Source, called: Chain) -> bool:
        """Whether a call is one of ``search(...)`` and ``value(...)`` of superparams."""
        return any(is_superparams(target) for target in self.locate(source, called))

    def _add(
        self,
        source: Source,
        name: str,
        form: bytes,
        node: ast.stmt,
        without: Iterable[ast.stmt] = (),
    ) -> None:
        """Count `form` to `name`, and show the lines of `node` but for those of `without`."""
        hidden = {line for item in without for line in _span(item)}
        lines = [source.lines[i] for i in _span(node) if i not in hidden]
        part = self.parts.setdefault(f"{source.name}.{name}", CodePart())
        part.add(node.lineno, form, textwrap.dedent("\n".join(lines)))


def _step(
    source: Source, within: ast.stmt | None, prefix: str, name: str
) -> Iterator[tuple[Source, ast.stmt | None, str]]:
    """One step down a qualified name: what `name` is in a module, a class or a function."""
    if name == "<locals>":
        if isinstance(within, _Function):
            yield source.inside(within), None, ""
        return
    if isinstance(within, ast.ClassDef):
        inner: list[ast.stmt] = [node for node in within.body if getattr(node, "name", "") == name]
        prefix += f"{within.name}."
    else:
        inner = [item.node for item in source.bindings.get(name, ())]
    for node in inner:
        yield source, node, prefix


def _span(node: ast.stmt) -> range:
    """The lines of a statement, its decorators included, counted from 0."""
    first = min([node.lineno, *(item.lineno for item in getattr(node, "decorator_list", ()))])
    return range(first - 1, node.end_lineno or node.lineno)
