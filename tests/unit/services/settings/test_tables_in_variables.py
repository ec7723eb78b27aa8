"""Tables of the settings, whose keys nobody declares: JSON in a variable, as in a file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from marketprism_services.settings.errors import SettingsError
from marketprism_services.settings.settings import Settings, load
from marketprism_services.settings.shape import fields_of, is_table, type_at

GIVEN: dict[str, dict[str, object]] = {
    "store.keep_days": {"market_bars": 7},
    "store.partition_by": {"trades": "month"},
    "store.tier_days": {"market_bars": 7},
    "archive.days": {"market_ticks": 30},
    "data.rest_urls": {"binance-usdm": "http://127.0.0.1:9000"},
    "rules.stale_s_by_venue": {"shfe": 2.5},
}


def _tables(kind: Any, path: tuple[str, ...] = ()) -> Iterator[str]:
    for name in fields_of(kind):
        of = type_at(kind, [name])
        if is_table(of):
            yield ".".join((*path, name))
        else:
            yield from _tables(of, (*path, name))


def test_every_table_is_tried() -> None:
    assert set(_tables(Settings)) == set(GIVEN)


@pytest.mark.parametrize("setting", GIVEN)
def test_a_variable_has_it_as_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, setting: str) -> None:
    monkeypatch.setenv("MARKETPRISM_STORE__TIER_POLICY", "tiers")  # `tier_days` needs these
    monkeypatch.setenv("MARKETPRISM_STORE__ENGINE", "clickhouse")
    section, field = setting.split(".")
    file = tmp_path / "x.json"
    file.write_text(json.dumps({section: {field: GIVEN[setting]}}), encoding="utf-8")
    of_file = load(file)
    assert getattr(getattr(of_file, section), field) == GIVEN[setting]
    name = f"MARKETPRISM_{section}__{field}".upper()
    monkeypatch.setenv(name, json.dumps(GIVEN[setting]))
    assert load() == of_file
    monkeypatch.setenv(f"{name}__X", "1")
    with pytest.raises(SettingsError, match="found both"):
        load()


@pytest.mark.parametrize(
    ("text", "error"),
    [("binance=http://x", "expected JSON"), ("", "expected JSON"), ("[1]", "expected a JSON object, was '\\[1\\]'")],
)
def test_what_is_no_table_is_refused_by_its_variable(monkeypatch: pytest.MonkeyPatch, text: str, error: str) -> None:
    monkeypatch.setenv("MARKETPRISM_DATA__REST_URLS", text)
    with pytest.raises(SettingsError, match=f"MARKETPRISM_DATA__REST_URLS: {error}"):
        load()


def test_it_is_laid_over_that_of_the_file_and_a_part_still_has_a_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "x.toml"
    file.write_text('[data.rest_urls]\nokx = "http://a"\nbinance = "http://b"\n', encoding="utf-8")
    monkeypatch.setenv("MARKETPRISM_DATA__REST_URLS", '{"binance": "http://c"}')
    assert load(file).data.rest_urls == {"okx": "http://a", "binance": "http://c"}
    monkeypatch.delenv("MARKETPRISM_DATA__REST_URLS")
    monkeypatch.setenv("MARKETPRISM_DATA__REST_URLS__OKX", "http://d")
    assert load(file).data.rest_urls == {"okx": "http://d", "binance": "http://b"}
