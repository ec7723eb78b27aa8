"""The reference pages of `docs/`, made of what the code declares: `make docs` writes them, a test compares them.

A page has nothing of its own: what it says of a setting stands in the example file, of a metric in its row, of a table
in the migrations. Add it there. Prometheus' rules, Grafana's dashboards, the runbooks and the schema that an empty store
is given are made and compared the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path

from marketprism_adapters.clickhouse.migrations import WHOLE_FILE
from marketprism_services.monitoring.files import files as monitoring_files
from tests.support.reference.metrics import metrics_page
from tests.support.reference.schema import schema_file
from tests.support.reference.settings import meanings_file, settings_page
from tests.support.reference.settings_chinese import settings_page_in_chinese
from tests.support.reference.subjects import subjects_page
from tests.support.reference.tables import tables_page

ROOT = Path(__file__).parents[3]
MEANINGS = "services/marketprism_services/settings/meanings/en.toml"


def _later(module: str, name: str) -> Callable[[], str]:
    """A page whose module is loaded when it is made: some load the whole API."""
    return lambda: str(getattr(import_module(f"tests.support.reference.{module}"), name)())


PAGES: dict[str, Callable[[], str]] = {
    "settings.md": settings_page,
    "zh/settings.md": settings_page_in_chinese,
    "metrics.md": metrics_page,
    "subjects.md": subjects_page,
    "tables.md": tables_page,
    "reference/backtest.md": _later("python_api", "backtest_page"),
    "reference/client.md": _later("python_api", "client_page"),
    "reference/errors.md": _later("errors", "errors_page"),
    "reference/events.md": _later("events", "events_page"),
    "reference/messages.md": _later("messages", "messages_page"),
    "reference/sdk.md": _later("python_api", "sdk_page"),
}
# Pages of which the code says how many there are: each is one of the folders' and of nothing else.
FOLDERS = ("reference/cli", "reference/http", "zh/reference/cli")


def groups() -> Mapping[str, str]:
    """The pages in `FOLDERS`, and those that list them, by their names from `docs`."""
    commands = import_module("tests.support.reference.commands").cli_pages()
    requests = import_module("tests.support.reference.http_api").http_pages()
    return {**commands, **requests}


def write() -> Sequence[Path]:
    """Write every page; the paths."""
    written = []
    found = {**{name: page() for name, page in PAGES.items()}, **groups()}
    for folder in FOLDERS:
        for path in (ROOT / "docs" / folder).glob("*.md"):
            if str(path.relative_to(ROOT / "docs")) not in found:
                path.unlink()
    for name, text in found.items():
        path = ROOT / "docs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        written.append(path)
    for name, text in {**monitoring_files(), MEANINGS: meanings_file()}.items():
        path = ROOT / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        written.append(path)
    WHOLE_FILE.parent.mkdir(exist_ok=True)
    WHOLE_FILE.write_text(schema_file(), encoding="utf-8")
    return [*written, WHOLE_FILE]
