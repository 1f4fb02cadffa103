"""CloudWatch's metric math, as far as alarms of this template use it.

A series is one value per period, the newest first; None where nothing was measured. + - * /, comparisons, AND, OR,
SUM, AVG, MIN, MAX over metrics, METRICS(), FILL(m, number) and IF(condition, then, else).
Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from statistics import fmean
from typing import Any

Series = list[float | None]


class NotUnderstood(ValueError):
    """The expression uses something that is not implemented here."""


def value(expression: str, queries: Mapping[str, Series], measured: Collection[str]) -> Series:
    """The expression's series. `queries`: the series of the others by their ids, all as long.

    `measured`: the ids that are metrics, not expressions: METRICS() means these. Raises NotUnderstood.
    """
    words = expression.replace("&&", " and ").replace("||", " or ")
    words = re.sub(r"\b(AND|OR)\b", lambda found: found[1].lower(), words)
    try:
        tree = ast.parse(words.strip(), mode="eval").body
    except SyntaxError as error:
        raise NotUnderstood(expression) from error
    length = max((len(series) for series in queries.values()), default=1)
    result = _Reader(queries, measured, length).read(tree)
    if isinstance(result, tuple):
        raise NotUnderstood(f"{expression}: several series, not one")
    return result


class _Reader:
    def __init__(self, queries: Mapping[str, Series], measured: Collection[str], length: int) -> None:
        self._queries, self._measured, self._length = queries, measured, length

    def read(self, node: ast.expr) -> Series | tuple[Series, ...]:
        match node:
            case ast.Constant(value=int() | float() as number):
                return [float(number)] * self._length
            case ast.Name(id=name) if name in self._queries:
                return self._queries[name]
            case ast.List(elts=parts):
                return tuple(map(self._one, parts))
            case ast.UnaryOp(op=ast.USub(), operand=inner):
                return _each(operator.neg, self._one(inner))
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
                return _each(_OPERATORS[type(op)], self._one(left), self._one(right))
            case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _OPERATORS:
                return _each(_OPERATORS[type(op)], self._one(left), self._one(right))
            case ast.BoolOp(op=op, values=parts):
                return _each(lambda *all_: (any if isinstance(op, ast.Or) else all)(all_), *map(self._one, parts))
            case ast.Call(func=ast.Name(id=name), args=arguments):
                return self._call(name, arguments)
        raise NotUnderstood(ast.unparse(node))

    def _call(self, name: str, arguments: Sequence[ast.expr]) -> Series | tuple[Series, ...]:
        match name, arguments:
            case "METRICS", []:
                return tuple(self._queries[name] for name in self._measured)
            case "METRICS", [ast.Constant(value=str(part))]:
                return tuple(self._queries[name] for name in self._measured if part in name)
            case "FILL", [series, ast.Constant(value=int() | float() as number)]:
                return [number if each is None else each for each in self._one(series)]
            case "IF", [condition, *choices] if len(choices) in (1, 2):
                yes = self._one(choices[0])
                no: Series = self._one(choices[1]) if choices[1:] else [None] * self._length
                triples = zip(self._one(condition), yes, no, strict=True)
                return [None if holds is None else a if holds else b for holds, a, b in triples]
            case (_, [several]) if name in _TOGETHER:
                found = self.read(several)
                if isinstance(found, tuple):
                    return [_present(_TOGETHER[name], values) for values in zip(*found, strict=True)]
                return [_present(_TOGETHER[name], found)] * self._length
        raise NotUnderstood(name)

    def _one(self, node: ast.expr) -> Series:
        result = self.read(node)
        if isinstance(result, tuple):
            raise NotUnderstood(ast.unparse(node))
        return result


def _each(how: Callable[..., Any], *series: Series) -> Series:
    """Period by period; nothing where one of them has nothing, or where it is divided by 0."""
    found: Series = []
    for values in zip(*series, strict=True):
        try:
            found.append(None if None in values else float(how(*values)))
        except ZeroDivisionError:
            found.append(None)
    return found


def _present(how: Callable[[list[float]], float], values: Sequence[float | None]) -> float | None:
    there = [each for each in values if each is not None]
    return how(there) if there else None


_OPERATORS: dict[type, Callable[..., Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_TOGETHER: dict[str, Callable[[list[float]], float]] = {"SUM": sum, "AVG": fmean, "MIN": min, "MAX": max}
