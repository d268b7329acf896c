"""The tree of a source text: its normal form, and the names that it takes from outside.

The normal form leaves out text without effect: comments, formatting, docstrings and other
statements that are a constant, ``pass``, type comments, annotations of variables outside classes,
and annotations of functions without a decorator that could read them. It is the same on every
Python from 3.10 on, since it skips fields that only some versions have.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

__all__ = [
    "FUNCTIONS",
    "Chain",
    "Imported",
    "Uses",
    "bound_names",
    "chain_of",
    "imported",
    "lines_of",
    "normal",
    "parsed",
    "uses",
]

Chain = tuple[str, ...]
"""A name and the attributes taken from it: ``m.sub.f`` is ``("m", "sub", "f")``."""

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_SCOPES = (*FUNCTIONS, ast.Lambda, ast.ClassDef)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_BINDING = (
    *(ast.Import, ast.ImportFrom, ast.Global, ast.Nonlocal, ast.NamedExpr, ast.ExceptHandler),
    *(ast.MatchAs, ast.MatchStar, ast.MatchMapping),
)
_MOST_TRIES = 10  # of parsing a text
_SKIPPED_FIELDS = {"ctx", "type_comment", "kind", "type_params"}
_SOMETIMES_SKIPPED = {"returns", "args", "format_spec"}
# Decorators that do not read annotations.
_IGNORE_ANNOTATIONS = {
    *("abstractmethod", "cache", "cached_property", "classmethod", "contextmanager", "lru_cache"),
    *("njit", "no_grad", "override", "property", "setter", "staticmethod", "wraps"),
}


def parsed(text: str) -> ast.Module:
    """The tree of a text, also while other threads parse texts.

    In Python 3.11, one of several threads that parse at once gets a SystemError now and then.
    """
    for _ in range(_MOST_TRIES - 1):
        with suppress(SystemError):
            return ast.parse(text)
    return ast.parse(text)


def _keeps_annotations(node: Any) -> bool:
    """Whether a decorator of the function `node` could read its annotations."""
    return not all(
        _last_name(decorator) in _IGNORE_ANNOTATIONS for decorator in node.decorator_list
    )


def _last_name(node: ast.expr) -> str:
    if isinstance(node, ast.Call):
        node = node.func
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def normal(nodes: Iterable[ast.AST]) -> bytes:
    """The normal form of `nodes`."""
    out: list[str] = []
    for node in nodes:
        _write(node, out, False)
    return "".join(out).encode("utf-8", "surrogatepass")


def _write(node: Any, out: list[str], in_class: bool) -> None:
    kind: type[Any] = node.__class__
    if kind is ast.Name:
        out.append(f"N{node.id};")
    elif kind is ast.Constant:
        out.append(_constant(node.value))
    elif (kind is ast.Expr and type(node.value) is ast.Constant) or kind is ast.Pass:
        return
    elif kind is ast.MatchSingleton:
        out.append(f"M{node.value};")
    elif kind is ast.AnnAssign and not in_class:
        if node.value is not None:  # as an assignment without an annotation
            out.append("Assign(targets=")
            _write(node.target, out, False)
            out.append("value=")
            _write(node.value, out, False)
            out.append(")")
    elif kind is ast.JoinedStr:
        out.append("f(")
        for part in _merged(node.values):
            out.append(_constant(part)) if isinstance(part, str) else _write(part, out, False)
        out.append(")")
    else:
        _write_fields(node, out, in_class)


def _write_fields(node: object, out: list[str], in_class: bool) -> None:
    kind: type[Any] = node.__class__
    out.append(f"{kind.__name__}(")
    inner = kind is ast.ClassDef or (in_class and kind not in _SCOPES)
    for name, start in _FIELDS.get(kind) or _fields(kind):
        child: Any = getattr(node, name, None)
        if not child or (name in _SOMETIMES_SKIPPED and _has_no_effect(node, kind, name)):
            continue
        out.append(start)
        if isinstance(child, ast.AST):
            _write(child, out, inner)
        elif child.__class__ is list:
            for item in child:
                _write(item, out, inner) if isinstance(item, ast.AST) else out.append(_plain(item))
        else:
            out.append(_plain(child))
    out.append(")")


# The fields of each class of nodes in the normal form, with the text before each field.
_FIELDS: dict[type[Any], list[tuple[str, str]]] = {}


def _fields(kind: type[Any]) -> list[tuple[str, str]]:
    _FIELDS[kind] = [(name, f"{name}=") for name in kind._fields if name not in _SKIPPED_FIELDS]
    return _FIELDS[kind]


def _has_no_effect(node: Any, kind: type[Any], name: str) -> bool:
    """Whether a field has no effect: annotations that nothing reads, and an empty format."""
    if name == "returns":
        return not _keeps_annotations(node)
    if name == "args" and kind in FUNCTIONS and not _keeps_annotations(node):
        for argument in _arguments(node.args):
            argument.annotation = None  # changed in place, since nothing else reads it
    if name == "format_spec":
        return not _merged(node.format_spec.values)
    return False


def _arguments(arguments: ast.arguments) -> list[ast.arg]:
    stars = [star for star in (arguments.vararg, arguments.kwarg) if star is not None]
    return [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, *stars]


def _merged(values: list[ast.expr]) -> list[str | ast.expr]:
    """The parts of an f-string; versions of Python split its constants in different ways."""
    parts: list[str | ast.expr] = []
    for value in values:
        if not (isinstance(value, ast.Constant) and isinstance(value.value, str)):
            parts.append(value)
        elif parts and isinstance(parts[-1], str):
            parts[-1] += value.value
        elif value.value:
            parts.append(value.value)
    return parts


def _constant(value: object) -> str:
    if isinstance(value, str):
        return f"s{len(value)}:{value}"
    text = f"{value:x}" if type(value) is int else repr(value)
    return f"{type(value).__name__}:{text};"


def _plain(value: object) -> str:
    return f"{value};" if isinstance(value, (str, int)) else _constant(value)


@dataclass(frozen=True)
class Imported:
    """The target of a name in an import statement: a module, or its attribute `name`."""

    module: str
    level: int = 0
    name: str | None = None


def imported(node: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, Imported]]:
    """The names that an import statement binds; ``"*"`` for all names of a module."""
    for alias in node.names:
        if isinstance(node, ast.ImportFrom):
            target = Imported(node.module or "", node.level or 0, alias.name)
            yield alias.asname or alias.name, target
        elif alias.asname:
            yield alias.asname, Imported(alias.name)
        else:
            top = alias.name.partition(".")[0]
            yield top, Imported(top)


def chain_of(node: ast.AST) -> Chain | None:
    """``m.sub.f`` as a chain; None if it does not start with a name."""
    attributes: list[str] = []
    while isinstance(node, ast.Attribute):
        attributes.append(node.attr)
        node = node.value
    if isinstance(node, ast.Name):
        return (node.id, *reversed(attributes))
    return None


def lines_of(node: ast.stmt) -> range:
    """The lines of a statement, its decorators included, counted from 0."""
    first = min([node.lineno, *(item.lineno for item in getattr(node, "decorator_list", ()))])
    return range(first - 1, node.end_lineno or node.lineno)


def bound_names(nodes: Iterable[ast.AST]) -> dict[str, Imported | None]:
    """The names that `nodes` bind in their own scope; the target if an import binds them."""
    names: dict[str, Imported | None] = {}
    outer: set[str] = set()
    todo = list(nodes)
    while todo:
        node = todo.pop()
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names.update(imported(node))
        elif isinstance(node, (*FUNCTIONS, ast.ClassDef)):
            names.setdefault(node.name)
            continue
        elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            names.setdefault(node.id)
        elif isinstance(node, (ast.Global, ast.Nonlocal)):
            outer.update(node.names)
        elif isinstance(node, _COMPREHENSIONS):
            # Its variables are its own; an assignment expression binds in the scope around it.
            todo += [inner for inner in ast.walk(node) if isinstance(inner, ast.NamedExpr)]
            continue
        elif isinstance(node, ast.Lambda):
            continue
        for name in (getattr(node, "name", None), getattr(node, "rest", None)):
            if isinstance(name, str) and not isinstance(node, ast.alias):
                names.setdefault(name)  # the name in an except clause or a pattern
        todo.extend(ast.iter_child_nodes(node))
    return {name: target for name, target in names.items() if name not in outer}


class _Scope:
    """The names that a function, class or comprehension binds and uses, while it is read."""

    __slots__ = ("is_class", "is_comprehension", "names", "outer", "used")

    def __init__(self, *, is_class: bool = False, is_comprehension: bool = False) -> None:
        self.is_class = is_class
        self.is_comprehension = is_comprehension
        self.names: dict[str, Imported | None] = {}
        self.outer: set[str] = set()
        self.used: set[Chain] = set()


class Uses:
    """The names that a piece of code takes from outside itself.

    Attributes:
        chains: Names of the module around it.
        imports: Names of modules that it imports itself, with the attributes taken from them.
    """

    def __init__(self) -> None:
        self.chains: set[Chain] = set()
        self.imports: set[tuple[Imported, Chain]] = set()
        # The scopes around the present node; the first is the module around them all.
        self._scopes = [_Scope()]

    def add(self, node: ast.AST, *, in_class: bool = False) -> None:
        """Add what `node` uses; `in_class` if it is a statement of a class body."""
        self._visit(node, in_class)
        self.chains |= self._scopes[0].used

    def _visit(self, node: Any, in_class: bool) -> None:
        kind: type[Any] = node.__class__
        if kind is ast.Name or kind is ast.Attribute:
            self._visit_name(node, in_class)
        elif kind is ast.Constant:
            return
        elif kind in _SCOPES:
            self._visit_scope(node, kind, in_class)
        elif kind in _COMPREHENSIONS:
            self._visit_comprehension(node, kind, in_class)
        elif kind is ast.AnnAssign and not in_class:
            for child in (node.target, node.value):
                if child is not None:
                    self._visit(child, False)
        else:
            if kind in _BINDING:
                self._bind(node, kind)
            self._visit_children(node, kind, in_class)

    def _visit_comprehension(self, node: Any, kind: type[Any], in_class: bool) -> None:
        # The first iterable is evaluated outside: ``[x for x in x]``.
        first = node.generators[0]
        self._visit(first.iter, in_class)
        self._scopes.append(_Scope(is_comprehension=True))
        for child in (first.target, *first.ifs, *node.generators[1:]):
            self._visit(child, False)
        for name in kind._fields:
            if name != "generators":
                self._visit(getattr(node, name), False)
        self._leave()

    def _visit_children(self, node: object, kind: type[Any], in_class: bool) -> None:
        for name in kind._fields:
            child: Any = getattr(node, name, None)
            if child.__class__ is list:
                for item in child:
                    if isinstance(item, ast.AST):
                        self._visit(item, in_class)
            elif isinstance(child, ast.AST):
                self._visit(child, in_class)

    def _visit_name(self, node: Any, in_class: bool) -> None:
        chain = chain_of(node)
        if chain is None:
            self._visit(node.value, in_class)
            return
        scope = self._scopes[-1]
        is_bound = type(node) is ast.Name and type(node.ctx) is not ast.Load
        if is_bound and len(self._scopes) > 1:
            scope.names.setdefault(node.id)
            return
        scope.used.add(chain)

    def _bind(self, node: Any, kind: type[Any]) -> None:
        """Note the names that a node binds without a target."""
        scope = self._scopes[-1]
        if len(self._scopes) == 1:
            return
        if kind in (ast.Import, ast.ImportFrom):
            scope.names.update(imported(node))
        elif kind in (ast.Global, ast.Nonlocal):
            scope.outer.update(node.names)
        elif kind is ast.NamedExpr:
            around = [scope for scope in self._scopes[1:] if not scope.is_comprehension]
            if around:
                around[-1].names.setdefault(node.target.id)
        else:
            name = getattr(node, "rest", None) or getattr(node, "name", None)
            if isinstance(name, str):
                scope.names.setdefault(name)

    def _visit_scope(self, node: Any, kind: type[Any], in_class: bool) -> None:
        if kind is not ast.Lambda and len(self._scopes) > 1:
            self._scopes[-1].names.setdefault(node.name)
        if kind is ast.ClassDef:
            for child in (*node.decorator_list, *node.bases, *node.keywords):
                self._visit(child, in_class)
            self._scopes.append(_Scope(is_class=True))
            for child in node.body:
                self._visit(child, True)
            self._leave()
            return
        defaults = (*node.args.defaults, *filter(None, node.args.kw_defaults))
        for child in (*getattr(node, "decorator_list", ()), *defaults):
            self._visit(child, in_class)
        arguments = _arguments(node.args)
        if kind is not ast.Lambda and _keeps_annotations(node):
            for annotation in (*(each.annotation for each in arguments), node.returns):
                if annotation is not None:
                    self._visit(annotation, in_class)
        scope = _Scope()
        scope.names = dict.fromkeys(argument.arg for argument in arguments)
        self._scopes.append(scope)
        for child in [node.body] if kind is ast.Lambda else node.body:
            self._visit(child, False)
        self._leave()

    def _leave(self) -> None:
        """End a scope: the scope around it uses the names that it uses and does not bind."""
        scope = self._scopes.pop()
        outer = self._scopes[-1].used
        outer.update((name,) for name in scope.outer)
        own = {name: target for name, target in scope.names.items() if name not in scope.outer}
        for chain in scope.used:
            if chain[0] in own:
                target = own[chain[0]]
                if target is not None:
                    self.imports.add((target, chain[1:]))
                # A class may read a name from outside before it binds it, and its methods do not
                # see the names that it binds.
                if not scope.is_class:
                    continue
            outer.add(chain)


def uses(nodes: Iterable[ast.AST], *, in_class: bool = False) -> Uses:
    """The names that `nodes` take from outside; `in_class` for statements of a class body."""
    used = Uses()
    for node in nodes:
        used.add(node, in_class=in_class)
    return used
