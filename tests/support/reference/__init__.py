"""The reference pages of `docs/`, made of what the code declares: `make docs` writes them, a test compares them.

A page has nothing of its own: what it says of a setting stands in the example file, of a metric in its row, of a table
in the migrations. Add it there. Prometheus' rules, Grafana's dashboards, the runbooks and the schema that an empty store
is given are made and compared the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from marketprism_adapters.clickhouse.migrations import WHOLE_FILE
from marketprism_services.monitoring.files import files as monitoring_files
from tests.support.reference.metrics import metrics_page
from tests.support.reference.schema import schema_file
from tests.support.reference.settings import meanings_file, settings_page
from tests.support.reference.subjects import subjects_page
from tests.support.reference.tables import tables_page

ROOT = Path(__file__).parents[3]
MEANINGS = "services/marketprism_services/settings/meanings/en.toml"
PAGES: dict[str, Callable[[], str]] = {
    "settings.md": settings_page,
    "metrics.md": metrics_page,
    "subjects.md": subjects_page,
    "tables.md": tables_page,
}


def write() -> Sequence[Path]:
    """Write every page; the paths."""
    written = []
    for name, page in PAGES.items():
        path = ROOT / "docs" / name
        path.write_text(page(), encoding="utf-8")
        written.append(path)
    for name, text in {**monitoring_files(), MEANINGS: meanings_file()}.items():
        path = ROOT / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        written.append(path)
    WHOLE_FILE.parent.mkdir(exist_ok=True)
    WHOLE_FILE.write_text(schema_file(), encoding="utf-8")
    return [*written, WHOLE_FILE]
