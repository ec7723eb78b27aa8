"""What a gateway of VeighNa is made and connected with."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from marketprism_adapters.sources.registry import make_source, parse_source
from marketprism_adapters.vnpy_gateway.loading import connect_setting, load_gateway
from marketprism_adapters.vnpy_gateway.settings import VnpySettings
from marketprism_adapters.vnpy_gateway.source import VnpySource
from marketprism_application.errors import SourceError
from marketprism_domain.errors import InvalidValue
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_sdk.urls import Secret
from tests.support.vnpy_gateways import setting
from tests.support.vnpy_sources import QUICK, Opened


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ("vnpy:", "expected a module and its class, like vnpy:vnpy_xtp.XtpGateway, was ''"),
        ("vnpy:XtpGateway", "expected a module and its class.*was 'XtpGateway'"),
        ("vnpy:a b.C", "expected a module and its class"),
    ],
)
def test_a_spec_that_names_no_class_is_refused(spec: str, text: str) -> None:
    with pytest.raises(SourceError, match=text):
        parse_source(spec)


def test_a_module_a_class_or_vnpy_that_is_not_there_is_named(vnpy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    name = vnpy.__name__
    for spec, text in (
        ("vnpy_nowhere.XtpGateway", "expected a module that can be imported, vnpy_nowhere is none here"),
        (
            f"{name}.ScriptdGateway",
            "that is a BaseGateway, ScriptdGateway is missing; it has ScriptedGateway.*did you mean",
        ),
        (f"{name}.NoGateway", "that is a BaseGateway, NoGateway is none; it has ScriptedGateway"),
        (f"{name}.inner.X", f"expected {name}.inner to be loaded"),
    ):
        with pytest.raises(SourceError, match=text) as caught:
            load_gateway(spec)
        assert not caught.value.retryable
    monkeypatch.setitem(sys.modules, "vnpy.trader.gateway", None)
    with pytest.raises(SourceError, match=r"expected vnpy, pip install 'marketprism\[vnpy\]'"):
        load_gateway(f"{name}.ScriptedGateway")


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ("", "expected 用户名, 密码, 端口, 客户号, 行情协议, without 用户名, 密码, 端口"),
        ('{"用户名": "u"}', "without 密码, 端口"),
        ("{", "expected JSON"),
        ("[1]", "expected a JSON object, was list"),
        (setting(端囗=3), "was '端囗'"),
        (setting(端口="many"), "端口: expected int, was str"),
        (setting(端口=[1]), "端口: expected int, was list"),
        (setting(行情协议="QUIC"), "行情协议: expected one of TCP, UDP, was another"),
    ],
)
def test_what_a_gateway_is_connected_with_is_checked_and_never_shown(vnpy: Any, given: str, text: str) -> None:
    with pytest.raises(SourceError, match=text) as caught:
        connect_setting(vnpy.ScriptedGateway, "scripted", replace(QUICK, setting=Secret(given)))
    assert "secret" not in str(caught.value)


def test_a_file_that_veighna_has_written_will_do(vnpy: Any, tmp_path: Path) -> None:
    path = tmp_path / "connect_scripted.json"
    path.write_text(setting(端口="18", 行情协议="UDP"), encoding="utf-8")
    given = replace(QUICK, setting=Secret(""), connect_json=str(path))
    found = connect_setting(vnpy.ScriptedGateway, "scripted", given)
    assert (found["端口"], found["行情协议"], found["客户号"], found["密码"]) == (18, "UDP", 1, "secret")
    with pytest.raises(SourceError, match=r"expected none where vnpy\.setting is given too"):
        connect_setting(vnpy.ScriptedGateway, "scripted", replace(QUICK, connect_json=str(path)))
    with pytest.raises(SourceError, match="expected a file that can be read"):
        connect_setting(vnpy.ScriptedGateway, "scripted", replace(given, connect_json=str(tmp_path / "none.json")))


def test_settings_overrule_a_row_and_are_checked() -> None:
    row = VnpySettings(volume="per_trade", zone="UTC").row("vnpy_xtp.XtpGateway")
    assert (row.name, row.volume, row.zone, row.times) == ("xtp", "per_trade", "UTC", "stated")
    for name in ("volume", "times", "millisecond"):
        with pytest.raises(InvalidValue, match=f"{name}: expected one of"):
            VnpySettings(**{name: "other"})
    with pytest.raises(InvalidValue, match="waiting_ticks: expected 1 to"):
        VnpySettings(waiting_ticks=0)


async def test_a_zone_that_there_is_not_is_named(vnpy: Any, opened: Opened) -> None:
    with pytest.raises(SourceError, match=r"vnpy\.zone: expected a time zone"):
        async with opened(zone="Asia/Nowhere"):
            pass


def test_the_registry_makes_it_without_loading_anything(calendar: MarketCalendar) -> None:
    source = make_source(parse_source("vnpy:vnpy_xtp.XtpGateway"), calendar, speed=None)
    assert isinstance(source, VnpySource)
    assert source.source == "vnpy:xtp"
