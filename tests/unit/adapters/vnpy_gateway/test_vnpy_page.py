"""What the pages say of gateways of VeighNa is so, in both languages."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest

from marketprism_adapters.vnpy_gateway.registry import ROWS
from marketprism_adapters.vnpy_gateway.settings import VnpySettings
from marketprism_adapters.vnpy_gateway.source import VnpySource
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_sdk.urls import Secret
from tests.support.vnpy_sources import ticks, until

DOCS = Path(__file__).parents[4] / "docs"
PAGES = {name: (DOCS / name).read_text(encoding="utf-8") for name in ("vnpy-gateways.md", "zh/vnpy-gateways.md")}


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)


async def test_the_example_runs_as_it_stands(
    vnpy: Any, calendar: MarketCalendar, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (example,) = blocks(PAGES["vnpy-gateways.md"], "python")
    (tmp_path / "my_gateway.py").write_text(example, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "my_gateway", raising=False)
    (given,) = re.findall(r"MARKETPRISM_VNPY__SETTING='(.*?)'", PAGES["vnpy-gateways.md"])
    settings = VnpySettings(setting=Secret(given.replace("20", "500")), quiet_s=0.05)
    source = VnpySource("my_gateway.MyGateway", settings, calendar)
    await source.connect()
    assert [each.symbol for each in await source.instruments()] == ["510050"]
    found = ticks(await until(source, lambda batches: len(ticks(batches)) >= 3))
    await source.close()
    assert [(each.venue, str(each.last), str(each.volume)) for each in found[:2]] == [
        ("sse", "2.85", "100"),
        ("sse", "2.85", "200"),
    ]
    assert source.skipped == {}


def test_both_pages_have_the_same_code_and_every_row_as_it_is() -> None:
    english, chinese = PAGES.values()
    assert blocks(english, "python") == blocks(chinese, "python")
    assert len(re.findall(r"^## ", english, re.MULTILINE)) == len(re.findall(r"^## ", chinese, re.MULTILINE))
    for page in (english, chinese):
        told = {}
        for line in page.splitlines():
            cells = [re.findall(r"`([^`]*)`", cell) for cell in line.split("|")[1:5]]
            if len(cells) == 4 and cells[0] and cells[0][0] in ROWS:
                told.update({name: tuple(cell[0] for cell in cells[1:]) for name in cells[0]})
        expected = {
            name: ("last_volume" if row.volume == "last_volume" else "volume", row.times, row.millisecond)
            for name, row in ROWS.items()
        }
        assert told == expected
