"""What is special about a kind of data stands in its row of the registry; code that asks which kind it has is listed."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from marketprism_application.contracts import kinds
from tests.support.sources import tree_of

ROOT = Path(__file__).parents[2]
LAYERS = ("domain", "application", "adapters", "services", "sdk")
CONSTANTS = {name for name, value in vars(kinds).items() if isinstance(value, kinds.DataKind)}
A, P, S = "application/marketprism_application/", "adapters/marketprism_adapters/", "services/marketprism_services/"

# Where a kind is compared, because the matter is that kind's alone. Take an entry out with the comparison.
PLACES = {
    A + "inspection/inspector.py": {
        "ORDERBOOK",
        "KLINE",
        "TRADE",
    },  # books are followed, counts are held against trades
    A + "backtesting/stored_rows.py": {"BAR"},  # of the fill modes, which have the name too
    A + "queries/answering.py": {"BAR"},  # only bars are made of others
    A + "queries/bar_cache.py": {"BAR"},
    A + "queries/checks.py": {"BAR"},  # only bars are counted by activity
    A + "queries/recent_bars.py": {"BAR"},
    A + "storage/stream_gaps.py": {
        "EVENT",
        "GAP",
        "INSTRUMENT",
        "TICK",
    },  # what holes there are in; of ticks where none is named
    A + "venues/feed.py": {"ORDERBOOK", "TRADE"},  # books are followed, trades are one tape
    P + "memory/gateway.py": {"ORDERBOOK", "TRADE"},  # what a leader left off at
    P + "nats/last_published.py": {"TRADE"},
    P + "venues/deribit/parse.py": {"MARK_PRICE"},  # one frame carries it beside a ticker
    P + "venues/live/frame_intake.py": {"ORDERBOOK", "TRADE"},  # which silence of a stream costs what
    P + "venues/live/source.py": {"ORDERBOOK", "TRADE"},
    S + "chaos/venues/audit.py": {"BOOK_TOP", "ORDERBOOK", "TRADE"},
    S + "api/read/streaming.py": {"BAR"},
    S + "api/stream/access.py": {"EVENT"},  # events of the system have a scope of their own, and no instrument
    S + "api/stream/joining.py": {"ORDERBOOK"},  # a book begins with what its gateway keeps
}


def modules() -> Iterator[tuple[str, ast.Module]]:
    for layer in LAYERS:
        for path in sorted((ROOT / layer).rglob("*.py")):
            yield str(path.relative_to(ROOT)), tree_of(path)


def compared(tree: ast.AST) -> Iterator[ast.expr]:
    """Operands of comparisons, with what a membership is tested in and what a `match` is held against."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            for operand in (node.left, *node.comparators):
                yield from operand.elts if isinstance(operand, ast.Tuple | ast.Set | ast.List) else (operand,)
        elif isinstance(node, ast.MatchValue):
            yield node.value


def constant_of(operand: ast.expr) -> str:
    """`TRADE` of `TRADE`, `TRADE.name`, `kinds.TRADE`; empty for any other expression."""
    while isinstance(operand, ast.Attribute) and operand.attr not in CONSTANTS:
        operand = operand.value
    name = operand.attr if isinstance(operand, ast.Attribute) else operand.id if isinstance(operand, ast.Name) else ""
    return name if name in CONSTANTS else ""


def from_registry(tree: ast.Module) -> set[str]:
    """Constants of the registry that a module imports."""
    return {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == kinds.__name__
        for alias in node.names
    }


def test_a_kind_of_the_registry_is_compared_in_the_listed_places_only() -> None:
    found: dict[str, set[str]] = {}
    for name, tree in modules():
        known = from_registry(tree) | {"kinds"}
        hits = {hit for operand in compared(tree) if (hit := constant_of(operand)) in known}
        if hits:
            found[name] = hits
    assert {
        name: hits - PLACES.get(name, set()) for name, hits in found.items() if hits - PLACES.get(name, set())
    } == {}
    assert {name: hits - found.get(name, set()) for name, hits in PLACES.items() if hits - found.get(name, set())} == {}


def test_no_kind_is_compared_by_a_text() -> None:
    """A literal beside an expression that is called `kind` stands for a row of the registry."""
    found = []
    for name, tree in modules():
        for node in ast.walk(tree):
            if not isinstance(node, ast.Compare):
                continue
            operands = list(compared(node))
            texts = {each.value for each in operands if isinstance(each, ast.Constant)} & set(kinds.KINDS)
            about = {each.attr if isinstance(each, ast.Attribute) else getattr(each, "id", "") for each in operands}
            if texts and about & {"kind", "kind_name"}:
                found.append(f"{name}:{node.lineno}: {', '.join(sorted(map(str, texts)))}")
    assert found == []
