"""What is known of a venue or an exchange stands in its folder or its row, and nowhere else."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from marketprism_adapters.venues.recordings.market_detection import signs_of
from marketprism_adapters.venues.registry import MARKETS
from marketprism_adapters.venues.simulator.registry import DIALECTS
from marketprism_application.contracts.kinds import VENUE_KINDS
from marketprism_client import MarketClient
from marketprism_domain.sessions.exchange_hours import EXCHANGES
from tests.support.sources import tree_of

ROOT = Path(__file__).parents[2]
LAYERS = ("domain", "application", "adapters", "services", "sdk")
VENUES = ROOT / "adapters" / "marketprism_adapters" / "venues"
OF_ALL = {"kit", "live", "recordings", "simulator"}  # folders of the venues' common parts
FOLDERS = {path.parent.name for path in VENUES.glob("*/__init__.py")} - OF_ALL
NAMES = FOLDERS | set(EXCHANGES)
REGISTRIES = {
    "adapters/marketprism_adapters/imports/market_names.py",  # what others call markets
    "adapters/marketprism_adapters/venues/registry.py",
    "adapters/marketprism_adapters/venues/simulator/registry.py",
    "adapters/marketprism_adapters/vnpy_gateway/registry.py",  # the exchanges of each gateway of VeighNa
    "domain/marketprism_domain/instruments/exchange_codes.py",
    "domain/marketprism_domain/sessions/exchange_hours.py",
    "domain/marketprism_domain/sessions/last_days.py",
    "domain/marketprism_domain/sessions/listed_codes.py",
    "domain/marketprism_domain/instruments/product_names.py",
    "domain/marketprism_domain/instruments/sizes.py",
    "domain/marketprism_domain/trading/halts.py",  # what venues do with orders in a halt
    "domain/marketprism_domain/trading/volume_sides.py",
}
EXCEPTIONS = {
    "adapters/marketprism_adapters/synthetic/plan.py",  # the instruments of the made-up market
    "services/marketprism_services/cli/chaos.py",  # the market that an option begins with
    "services/marketprism_services/wiring/sources.py",  # the exchanges that a counter of stock options is for
}


def test_every_folder_has_rows_in_both_registries_and_signs_for_each_of_its_markets() -> None:
    assert {row.make("", "").name for row in MARKETS.values()} == FOLDERS
    assert set(DIALECTS) == set(MARKETS)
    named = {market for row in MARKETS.values() for market in row.signs.hosts}
    assert named == set(MARKETS)
    for market in MARKETS:
        assert signs_of(market).hosts[market], market
    for folder in FOLDERS:
        for part in ("venue", "simulate", "signs"):
            assert (VENUES / folder / f"{part}.py").is_file(), f"{folder}/{part}.py"


def test_a_market_has_its_own_signs_and_names_no_market_that_there_is_not() -> None:
    for market, row in MARKETS.items():
        assert row.make("", "").market == market
        found = {*row.signs.paths.values(), *row.signs.words.values(), *row.signs.alike}
        assert {row.signs, *(signs_of(name) for name in found)} == {row.signs}
    assert len({row.signs for row in MARKETS.values() if row.signs.bare is not None}) == 1


def test_a_market_covers_kinds_that_there_are_and_its_page_and_the_readmes_name_them() -> None:
    names = {kind.name for kind in VENUE_KINDS}
    for market, row in MARKETS.items():
        venue = row.make("", "")
        assert set(venue.coverage) <= {*names, "quote"}, market
        page = (VENUES / venue.name / "README.md").read_text(encoding="utf-8")
        rows = " ".join(line.split("|")[1] for line in page.splitlines() if line.startswith("| "))
        assert {kind for kind in venue.coverage if kind in names and not re.search(rf"\b{kind}\b", rows)} == set()
    for readme in (ROOT / "README.md", ROOT / "README.zh-CN.md"):
        text = readme.read_text(encoding="utf-8")
        assert f"`{' '.join(kind.name for kind in VENUE_KINDS)}`" in text, readme.name
        assert f"`{'|'.join(kind.path for kind in VENUE_KINDS)}/<" in text, readme.name
    assert all(f"`{name}`" in (MarketClient.live.__doc__ or "") for name in names)


def test_a_live_gateway_loads_no_simulator_of_a_venue() -> None:
    script = (
        "import sys\n"
        "import marketprism_adapters.sources.registry, marketprism_services.wiring.sources\n"
        "import marketprism_adapters.venues.live.source, marketprism_adapters.venues.recordings.source\n"
        "import marketprism_services.gateway.service\n"
        "from marketprism_adapters.venues.registry import MARKETS\n"
        "for row in MARKETS.values(): row.make('', '').parser('x')\n"
        "venues = [n.removeprefix('marketprism_adapters.venues.') for n in sys.modules if '_adapters.venues.' in n]\n"
        "print(sorted(n for n in venues if 'simulat' in n or n == 'kit.dialect'))\n"
        "assert 'live.source' in venues and 'recordings.source' in venues, venues\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr


def test_no_venue_or_exchange_is_named_outside_its_place() -> None:
    named: dict[str, list[str]] = {}
    for layer in LAYERS:
        for path in (ROOT / layer).rglob("*.py"):
            if path.parent.parent == VENUES and path.parent.name in FOLDERS:
                allowed = {path.parent.name}
            else:
                allowed = NAMES if "counters" in path.relative_to(ROOT).parts[:3] else set()
            name = str(path.relative_to(ROOT))
            for line, text in literals(tree_of(path)):
                words = set(re.split(r"[^a-z0-9]+", text.lower()))
                if (words & NAMES) - allowed and name not in REGISTRIES:
                    named.setdefault(name, []).append(f"{line}: {text[:40]}")
    assert {name: found for name, found in named.items() if name not in EXCEPTIONS} == {}
    assert EXCEPTIONS - named.keys() == set(), "an exception that is none any more"


def literals(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Texts of the code with their lines, but for docstrings and help texts."""
    prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg == "help":
            prose |= {id(part) for part in ast.walk(node.value)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and id(node) not in prose and isinstance(node.value, str | bytes):
            text = node.value if isinstance(node.value, str) else node.value.decode("latin-1")
            yield node.lineno, text
