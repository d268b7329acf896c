"""Reads the space of a class from the text of its file, without an import.

The text shows the number of settings if points are written out, as in ``search([1, 2])`` and
``search(range(10))``, and if all other fields are plain values.
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from superparams.identity.code.module_source import Source
from superparams.identity.code.reach_by_name import ReachByName
from superparams.identity.code.syntax import chain_of

__all__ = ["TextSpace", "space_in_text"]

MOST_BASES: Final = 50
# Methods that may leave settings out, or refuse to make any.
_REFUSING: Final = {"__post_init__", "__init__", "__new__", "__getattribute__"}
_OPERATIONS: Final[dict[type[ast.operator], Callable[[int, int], int]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
}
_LARGEST_POWER: Final = 64


@dataclass(frozen=True)
class TextSpace:
    """The space of a class.

    Attributes:
        size: The number of its settings; None if the text does not show it.
        is_exact: Whether `size` is exact; it is an upper bound if ``valid`` may leave settings out.
        needs: The required fields.
        n_ranges: The number of its ranges in the text.
        is_whole: Whether the text shows all declarations.
    """

    size: int | None = None
    is_exact: bool = True
    needs: list[str] = field(default_factory=list[str])
    n_ranges: int = 0
    is_whole: bool = False


@dataclass(frozen=True)
class _Declared:
    """The declaration of a field in the text."""

    n_points: int | None = 1
    is_range: bool = False
    is_required: bool = False
    zip: str | None = None


def space_in_text(lookup: ReachByName, source: Source, node: ast.ClassDef) -> TextSpace:
    """The space of a class, with all inherited fields.

    Args:
        lookup: Finds what names mean.
        source: The file of the class.
        node: The class.
    """
    reader = _Reader(lookup)
    reader.read(source, node)
    declarations = reader.fields.values()
    needs = [name for name, declaration in reader.fields.items() if declaration.is_required]
    n_ranges = sum(declaration.is_range for declaration in declarations)
    sizes = [declaration.n_points for declaration in declarations if declaration.zip is None]
    sizes += list(
        {
            declaration.zip: declaration.n_points
            for declaration in declarations
            if declaration.zip is not None
        }.values()
    )
    known_sizes = [size for size in sizes if size is not None]
    is_whole = len(known_sizes) == len(sizes) and reader.is_known
    if not is_whole or needs or n_ranges:
        return TextSpace(needs=needs, n_ranges=n_ranges, is_whole=is_whole)
    return TextSpace(math.prod(known_sizes), is_exact=not reader.has_valid, is_whole=True)


class _Reader:
    """Reads a class and its bases.

    Attributes:
        fields: The fields, by their names.
        is_known: Whether the text shows all of them.
        has_valid: Whether ``valid`` may leave settings out.
    """

    def __init__(self, lookup: ReachByName) -> None:
        self._lookup = lookup
        self._n_classes = 0
        self.fields: dict[str, _Declared] = {}
        self.is_known = True
        self.has_valid = False

    def read(self, source: Source, node: ast.ClassDef) -> None:
        """Read the bases, then the class, which may declare a field anew."""
        self._n_classes += 1
        if self._n_classes > MOST_BASES:
            self.is_known = False
            return
        for base in reversed(node.bases):
            self._read_base(source, base)
        if node.decorator_list or node.keywords:
            self.is_known = False
        for item in node.body:
            self._read_item(source, item)

    def _read_base(self, source: Source, base: ast.expr) -> None:
        chain = chain_of(base.value if isinstance(base, ast.Subscript) else base)
        targets = self._lookup.locate(source, chain) if chain is not None else []
        if len(targets) != 1:
            self.is_known = False
            return
        (target,) = targets
        if target.is_superparams:
            return
        classes = target.classes
        if target.source is None or len(target.nodes) != 1 or len(classes) != 1:
            self.is_known = False
            return
        self.read(target.source, classes[0])

    def _read_item(self, source: Source, item: ast.stmt) -> None:
        match item:
            case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation, value=value):
                if "ClassVar" not in ast.dump(annotation):
                    self.fields[name] = self._declared(source, value, annotation)
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                if name in self.fields:
                    self.fields[name] = self._declared(source, value)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                self.has_valid |= name == "valid"
                self.is_known &= name not in _REFUSING
            case ast.Expr(value=ast.Constant()) | ast.Pass() | ast.ClassDef():
                pass
            case _:
                self.is_known = False

    def _declared(
        self, source: Source, value: ast.expr | None, annotation: ast.expr | None = None
    ) -> _Declared:
        if value is None:
            return _Declared(is_required=True)
        if not isinstance(value, ast.Call):
            return _Declared(1 if _is_plain(value) else None)
        name = self._own_function(source, value)
        if name == "search":
            return _searched(value, annotation)
        is_opaque = name != "value" or not all(map(_is_plain, value.args))
        return _Declared(None if is_opaque else 1)

    def _own_function(self, source: Source, call: ast.Call) -> str | None:
        """The name of the function of superparams that is called."""
        chain = chain_of(call.func)
        targets = self._lookup.locate(source, chain) if chain is not None else []
        if len(targets) != 1 or not targets[0].is_superparams:
            return None
        return (targets[0].outside or "").rpartition(".")[2]


def _searched(call: ast.Call, annotation: ast.expr | None) -> _Declared:
    """The axis of ``search(...)``; without points, it has all values of its annotation."""
    keywords = {keyword.arg: keyword.value for keyword in call.keywords}
    zipped = keywords.get("zip")
    group = zipped.value if isinstance(zipped, ast.Constant) else None
    if None in keywords or (zipped is not None and not isinstance(group, str)):
        return _Declared(None)
    if "low" in keywords or "high" in keywords:
        return _Declared(is_range=True)
    n_points = _n_points(call.args) if call.args else _n_values(annotation)
    return _Declared(n_points, zip=group if isinstance(group, str) else None)


def _n_values(annotation: ast.expr | None) -> int | None:
    """The number of values of a bool, a Literal, None, and unions of these; else None."""
    match annotation:
        case ast.Name(id="bool"):
            return 2
        case ast.Constant(value=None):
            return 1
        case ast.Subscript(value=ast.Name(id="Literal") | ast.Attribute(attr="Literal"), slice=x):
            values = x.elts if isinstance(x, ast.Tuple) else [x]
            is_told = all(isinstance(value, ast.Constant) for value in values)
            return len({ast.dump(value) for value in values}) if is_told else None
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            counts = _n_values(left), _n_values(right)
            return None if None in counts else sum(count for count in counts if count is not None)
        case _:
            return None


def _n_points(points: list[ast.expr]) -> int | None:
    match points:
        case [ast.List(elts=several) | ast.Tuple(elts=several)]:
            points = several
        case [ast.Dict(keys=[*keys], values=values)]:
            named = [key.value for key in keys if isinstance(key, ast.Constant)]
            is_told = len(set(named)) == len(keys)
            return len(values) if is_told and all(map(_is_plain, values)) else None
        case [ast.Call(func=ast.Name(id="range"), args=args, keywords=[])]:
            numbers = [_number(argument) for argument in args]
            bounds = [x for x in numbers if x is not None]
            return _n_numbers(bounds) if len(bounds) == len(numbers) else None
        case [ast.Constant()] | [_, _, *_]:
            pass
        case _:
            return None
    return len(points) if points and all(map(_is_plain, points)) else None


def _n_numbers(bounds: list[int]) -> int | None:
    try:
        numbers = range(*bounds)
    except (TypeError, ValueError):
        return None
    return max(0, -((numbers.start - numbers.stop) // numbers.step)) or None


def _is_plain(x: ast.expr) -> bool:
    """Whether an expression is a value without settings of its own."""
    match x:
        case ast.Constant() | ast.JoinedStr() | ast.Lambda():
            return True
        case ast.UnaryOp(operand=inner):
            return _is_plain(inner)
        case ast.BinOp(left=left, right=right):
            return _is_plain(left) and _is_plain(right)
        case ast.List(elts=several) | ast.Tuple(elts=several) | ast.Set(elts=several):
            return all(map(_is_plain, several))
        case ast.Dict(keys=keys, values=values):
            return all(item is not None and _is_plain(item) for item in [*keys, *values])
        case _:
            return False


def _number(x: Any) -> int | None:
    """The whole number that an expression of numbers evaluates to."""
    match x:
        case ast.Constant(value=bool()):
            return None
        case ast.Constant(value=int(number)):
            return number
        case ast.UnaryOp(op=ast.USub(), operand=inner):
            positive = _number(inner)
            return None if positive is None else -positive
        case ast.BinOp(left=left, op=op, right=right):
            return _operated(_number(left), op, _number(right))
        case _:
            return None


def _operated(a: int | None, op: ast.operator, b: int | None) -> int | None:
    if a is None or b is None:
        return None
    if isinstance(op, ast.Pow):
        return a**b if 0 <= b <= _LARGEST_POWER and abs(a) <= 1 << 16 else None
    operation = _OPERATIONS.get(type(op))
    return None if operation is None else operation(a, b)
