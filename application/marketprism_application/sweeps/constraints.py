"""A condition on parameters, as `fast < slow and slow - fast >= 10`: a small part of Python's grammar, never evaluated
as Python."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from decimal import Decimal, DivisionByZero, InvalidOperation
from typing import Final, TypeAlias

from marketprism_application.backtesting.errors import ParameterError

Value: TypeAlias = "Decimal | str | bool"

_ARITHMETIC: Final[dict[type[ast.operator], Callable[[Decimal, Decimal], Decimal]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
_COMPARISONS: Final[dict[type[ast.cmpop], Callable[[Decimal, Decimal], bool]]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}


class Constraint:
    """One condition. Numbers are decimals, everything else is text; an empty one holds always."""

    def __init__(self, text: str, names: tuple[str, ...]) -> None:
        """Parse a condition over parameters. Raises ParameterError: a word or a sign that it cannot have."""
        self.text = text.strip()
        if not self.text:
            return
        try:
            self._tree = ast.parse(self.text, mode="eval").body
        except (SyntaxError, ValueError) as error:
            raise ParameterError(f"constraint: expected a condition as fast < slow, was {text!r}") from error
        self._check(self._tree, names)

    def _check(self, tree: ast.expr, names: tuple[str, ...]) -> None:
        allowed = (ast.BoolOp, ast.BinOp, ast.UnaryOp, ast.Compare, ast.Name, ast.Constant)
        signs = (ast.And, ast.Or, ast.Not, ast.USub, ast.Load, ast.Eq, ast.NotEq, *_ARITHMETIC, *_COMPARISONS)
        for node in ast.walk(tree):
            if isinstance(node, ast.Name) and node.id not in names:
                raise ParameterError(f"constraint: expected one of {', '.join(names)}, was {node.id!r}")
            if not isinstance(node, (*allowed, *signs)):  # type: ignore[arg-type]
                raise ParameterError(f"constraint: expected comparisons and + - * / // %, was {ast.unparse(tree)!r}")

    def holds(self, values: Mapping[str, str]) -> bool:
        """Whether parameters given as texts fulfil it. Raises ParameterError: text where a number is counted with."""
        if not self.text:
            return True
        return bool(self._value(self._tree, values))

    def _value(self, node: ast.expr, values: Mapping[str, str]) -> Value:
        if isinstance(node, ast.BoolOp):
            parts = (bool(self._value(each, values)) for each in node.values)
            return all(parts) if isinstance(node.op, ast.And) else any(parts)
        if isinstance(node, ast.UnaryOp):
            if isinstance(node.op, ast.Not):
                return not self._value(node.operand, values)
            return -self._number(node.operand, values)
        if isinstance(node, ast.BinOp):
            left, right = self._number(node.left, values), self._number(node.right, values)
            try:
                return _ARITHMETIC[type(node.op)](left, right)
            except (DivisionByZero, InvalidOperation) as error:
                raise ParameterError(f"constraint: expected no division by 0, was {self.text!r}") from error
        if isinstance(node, ast.Compare):
            return self._compare(node, values)
        if isinstance(node, ast.Name):
            return _read(values[node.id])
        assert isinstance(node, ast.Constant)  # noqa: S101 (nothing else is let in)
        return _read(str(node.value))

    def _compare(self, node: ast.Compare, values: Mapping[str, str]) -> bool:
        left = node.left
        for sign, right in zip(node.ops, node.comparators, strict=True):
            if isinstance(sign, ast.Eq | ast.NotEq):
                equal = self._value(left, values) == self._value(right, values)
                found = equal if isinstance(sign, ast.Eq) else not equal
            else:
                found = _COMPARISONS[type(sign)](self._number(left, values), self._number(right, values))
            if not found:
                return False
            left = right
        return True

    def _number(self, node: ast.expr, values: Mapping[str, str]) -> Decimal:
        value = self._value(node, values)
        if not isinstance(value, Decimal):
            raise ParameterError(f"constraint: expected a number, was {value!r} in {self.text!r}")
        return value


def _read(text: str) -> Value:
    try:
        value = Decimal(text)
    except InvalidOperation:
        return text
    return value if value.is_finite() else text
