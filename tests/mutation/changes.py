"""The small changes of a module: what a slip of the hand would write instead."""

from __future__ import annotations

import ast
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Place = tuple[ast.AST, str, int | None]  # a node, its field, and the index where that is a list

_BOUNDARY: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
}
_OPPOSITE: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.GtE,
    ast.GtE: ast.Lt,
    ast.Gt: ast.LtE,
    ast.LtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.BitXor: ast.BitOr,
}
_NOT_VISITED = {"annotation", "returns", "decorator_list", "bases", "keywords_of_class", "type_comment"}
_TYPES = {"Literal", "Callable", "Annotated", "Union", "Optional", "TypeVar", "NewType", "ParamSpec", "cast"}


@dataclass(frozen=True)
class Change:
    """One change. `function` is the outermost function it lies in; None where it acts when the module is loaded."""

    kind: str
    line: int
    column: int
    before: str
    after: str
    function: tuple[str, int] | None
    lines: tuple[int, ...]
    top: ast.stmt
    place: Place
    new: Any

    @property
    def text(self) -> str:
        return f"{self.before} -> {self.after}"


@contextlib.contextmanager
def applied(change: Change) -> Iterator[None]:
    """The tree with the change in it."""
    node, field, index = change.place
    if index is None:
        before = getattr(node, field)
        setattr(node, field, change.new)
    else:
        before = getattr(node, field)
        setattr(node, field, [*before[:index], *change.new, *before[index + 1 :]])
    try:
        yield
    finally:
        setattr(node, field, before)


def changes_of(tree: ast.Module) -> list[Change]:
    """Every change, in the order of the source."""
    return list(_Finder(tree).all())


def _name(node: ast.AST) -> str:
    """Last name of `a.b.c` or `c[…]`."""
    if isinstance(node, ast.Subscript | ast.Call):
        return _name(node.value if isinstance(node, ast.Subscript) else node.func)
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def is_log(node: ast.AST) -> bool:
    """Whether it is a line of the log: what one says is checked by the list of events."""
    if isinstance(node, ast.Await):
        return is_log(node.value)
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
        return False
    return _name(node.func.value).strip("_").lower() in ("log", "logger", "logs")


def _is_text(node: ast.AST) -> bool:
    if isinstance(node, ast.BinOp):
        return _is_text(node.left) or _is_text(node.right)
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str | bytes))


def _not(node: ast.expr) -> ast.expr:
    return node.operand if _is_not(node) else ast.UnaryOp(ast.Not(), node)  # type: ignore[attr-defined]


def _is_not(node: ast.expr) -> bool:
    return isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not)


def _short(node: Any) -> str:
    text = " ".join(("; ".join(map(ast.unparse, node)) if isinstance(node, list) else ast.unparse(node)).split())
    return text if len(text) <= 110 else f"{text[:100]}… ({len(text)})"


class _Finder:
    def __init__(self, tree: ast.Module) -> None:
        self._tree = tree
        self._found: list[Change] = []
        self._function: tuple[str, int] | None = None
        self._names: list[str] = []
        self._statement: ast.stmt = ast.Pass(lineno=1)
        self._top: ast.stmt = self._statement
        self._within_text = False

    def all(self) -> list[Change]:
        for node in self._tree.body:
            self._top = node
            self._visit(node, (self._tree, "body", self._tree.body.index(node)))
        return self._found

    def _add(self, kind: str, place: Place, old: Any, new: Any, after: str | None = None) -> None:
        node, _, index = place
        line = getattr(old if isinstance(old, ast.AST) else node, "lineno", None) or self._statement.lineno
        if self._within_text:  # before Python 3.12 what is in an f-string has no place of its own
            line = self._statement.lineno
        for each in new if isinstance(new, list) else [new]:
            if isinstance(each, ast.AST):
                ast.fix_missing_locations(ast.copy_location(each, old if hasattr(old, "lineno") else self._statement))
        lines = tuple(sorted({line, self._statement.lineno}))
        text = _short(new) if after is None else after
        whole = new if index is None or isinstance(new, list) else [new]
        self._found.append(
            Change(
                kind,
                line,
                getattr(old, "col_offset", 0),
                _short(old),
                text or "(nothing)",
                self._function,
                lines,
                self._top,
                place,
                whole,
            )
        )

    def _visit(self, node: ast.AST, place: Place) -> None:
        if self._skipped(node):
            return
        before = self._statement, self._within_text
        if isinstance(node, ast.stmt):
            self._statement = node
        self._within_text = self._within_text or isinstance(node, ast.JoinedStr)
        inside = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        if inside:
            self._enter(node)  # type: ignore[arg-type]
        else:
            method = getattr(self, f"_on_{type(node).__name__.lower()}", None)
            if method is not None:
                method(node, place)
            self._children(node)
        self._statement, self._within_text = before

    def _enter(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> None:
        if not isinstance(node, ast.ClassDef):
            self._visit(node.args, (node, "args", None))  # defaults belong to what is outside
        outer = self._function
        self._names.append(node.name)
        if not isinstance(node, ast.ClassDef) and outer is None:
            first = node.decorator_list[0].lineno if node.decorator_list else node.lineno
            self._function = (".".join(self._names), first)
        for index, each in enumerate(node.body):
            self._visit(each, (node, "body", index))
        self._names.pop()
        self._function = outer

    def _children(self, node: ast.AST) -> None:
        for field, value in ast.iter_fields(node):
            if field in _NOT_VISITED or (field == "exc" and isinstance(node, ast.Raise)):
                continue  # which error it is, is a test's to say; its words are not
            if isinstance(value, list):
                for index, each in enumerate(value):
                    if isinstance(each, ast.AST):
                        self._visit(each, (node, field, index))
            elif isinstance(value, ast.AST):
                self._visit(value, (node, field, None))

    def _skipped(self, node: ast.AST) -> bool:
        if isinstance(node, ast.Import | ast.ImportFrom | ast.Assert):
            return True
        if isinstance(node, ast.ClassDef):
            return any(_name(base) in ("Protocol", "TypedDict") for base in node.bases)
        if isinstance(node, ast.If) and _name(node.test) == "TYPE_CHECKING":
            return True
        if isinstance(node, ast.Expr):
            return isinstance(node.value, ast.Constant) or is_log(node.value)
        if isinstance(node, ast.Call):
            return is_log(node) or _name(node.func) in _TYPES
        if isinstance(node, ast.Assign | ast.AnnAssign) and self._function is None:
            names = [_name(each) for each in (node.targets if isinstance(node, ast.Assign) else [node.target])]
            value = node.value
            return names[0].startswith("__") or (isinstance(value, ast.Subscript) and _name(value) in _TYPES)
        return isinstance(node, ast.Subscript) and _name(node.value) in _TYPES

    # -- expressions

    def _on_compare(self, node: ast.Compare, place: Place) -> None:
        tables = [_BOUNDARY, _OPPOSITE] if len(node.ops) == 1 else [{**_OPPOSITE, **_BOUNDARY}]
        for table in tables:
            for index, op in enumerate(node.ops):
                if type(op) in table:
                    ops = [*node.ops[:index], table[type(op)](), *node.ops[index + 1 :]]
                    self._add("comparison", place, node, ast.Compare(node.left, ops, node.comparators))

    def _on_boolop(self, node: ast.BoolOp, place: Place) -> None:
        op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        self._add("boolean", place, node, ast.BoolOp(op, node.values))

    def _on_unaryop(self, node: ast.UnaryOp, place: Place) -> None:
        if isinstance(node.op, ast.Not) and isinstance(node.operand, ast.Compare):
            return  # its comparison is turned round
        if not isinstance(node.op, ast.UAdd):
            self._add("sign", place, node, node.operand)

    def _on_binop(self, node: ast.BinOp, place: Place) -> None:
        if not _is_text(node) and type(node.op) in _ARITHMETIC:
            self._add("arithmetic", place, node, ast.BinOp(node.left, _ARITHMETIC[type(node.op)](), node.right))

    def _on_constant(self, node: ast.Constant, place: Place) -> None:
        value, new = node.value, None
        if isinstance(value, bool):
            new = not value
        elif isinstance(value, int | float):
            new = value + 1 if value + 1 != value else 2 * value
        elif isinstance(value, str | bytes) and not self._within_text:
            empty = type(value)()
            new = ("x" if isinstance(value, str) else b"x") if value == empty else empty
        if new is not None:
            self._add("constant", place, node, ast.Constant(new))

    def _on_ifexp(self, node: ast.IfExp, place: Place) -> None:
        self._turned(node.test, (node, "test", None))

    def _on_comprehension(self, node: ast.comprehension, place: Place) -> None:
        for index, test in enumerate(node.ifs):
            self._turned(test, (node, "ifs", index))

    def _turned(self, test: ast.expr, place: Place) -> None:
        if not isinstance(test, ast.Compare | ast.BoolOp) and not _is_not(test):
            self._add("condition", place, test, _not(test))

    def _on_slice(self, node: ast.Slice, place: Place) -> None:
        for field in ("lower", "upper", "step"):
            if (bound := getattr(node, field)) is not None:
                self._add("slice", (node, field, None), bound, None, after="(no bound)")

    def _on_call(self, node: ast.Call, place: Place) -> None:
        for index, keyword in enumerate(node.keywords):
            if keyword.arg is not None:
                self._add("keyword", (node, "keywords", index), keyword, [])
        if _name(node.func) == "suppress":
            self._add("exception", (node, "args", None), node, [], after="suppress()")

    # -- statements

    def _on_if(self, node: ast.If, place: Place) -> None:
        self._turned(node.test, (node, "test", None))

    def _on_while(self, node: ast.While, place: Place) -> None:
        self._turned(node.test, (node, "test", None))

    def _on_augassign(self, node: ast.AugAssign, place: Place) -> None:
        if type(node.op) in _ARITHMETIC and not _is_text(node.value):
            self._add("arithmetic", place, node, ast.AugAssign(node.target, _ARITHMETIC[type(node.op)](), node.value))
        self._gone(node, place)

    def _on_assign(self, node: ast.Assign, place: Place) -> None:
        if self._function is not None and isinstance(node.targets[0], ast.Attribute | ast.Subscript):
            self._gone(node, place)

    def _on_annassign(self, node: ast.AnnAssign, place: Place) -> None:
        if self._function is not None and isinstance(node.target, ast.Attribute) and node.value is not None:
            self._gone(node, place)

    def _on_expr(self, node: ast.Expr, place: Place) -> None:
        if self._function is not None and not isinstance(node.value, ast.Yield | ast.YieldFrom):
            self._gone(node, place)

    def _on_raise(self, node: ast.Raise, place: Place) -> None:
        self._gone(node, place)

    def _on_delete(self, node: ast.Delete, place: Place) -> None:
        self._gone(node, place)

    def _on_break(self, node: ast.Break, place: Place) -> None:
        self._gone(node, place, ast.Continue())

    def _on_continue(self, node: ast.Continue, place: Place) -> None:
        self._gone(node, place, ast.Break())

    def _gone(self, node: ast.stmt, place: Place, new: ast.stmt | None = None) -> None:
        self._add("statement", place, node, new or ast.Pass())

    def _on_return(self, node: ast.Return, place: Place) -> None:
        if node.value is not None and not isinstance(node.value, ast.Constant):
            self._add("return", place, node, ast.Return(ast.Constant(None)))

    def _on_try(self, node: ast.Try, place: Place) -> None:
        if node.finalbody:
            self._add("exception", (node, "finalbody", None), node.finalbody, [ast.Pass()])
        for handler in node.handlers:
            body = handler.body
            if not (len(body) == 1 and isinstance(body[0], ast.Raise) and body[0].exc is None):
                self._add("exception", (handler, "body", None), body, [ast.Raise(None, None)])
            if isinstance(handler.type, ast.Tuple):
                for index, each in enumerate(handler.type.elts):
                    self._add("exception", (handler.type, "elts", index), each, [])
