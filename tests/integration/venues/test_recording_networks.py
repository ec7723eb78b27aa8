"""Recordings of test networks, practice accounts and look-alike exchanges: by address, name, header and connection."""

from __future__ import annotations

from pathlib import Path

import pytest

from marketprism_application.errors import SourceError
from tests.integration.venues.recordings_made import T0, report_of
from tests.integration.venues.test_recording_containers import HELD, typed

OF_OKX = b'{"arg":{"channel":"trades","instId":"BTC-USDT"},"data":[{"instId":"BTC-USDT","tradeId":"1","px":"1","sz":"1","side":"buy","ts":"%d"}]}'


@pytest.mark.parametrize("asked", ["brokerId=9999", "brokerid=9999", "a=1&BrokerId=1"])
def test_an_address_of_practice_accounts_is_not_the_venues(tmp_path: Path, asked: str) -> None:
    path = tmp_path / "okx.txt"
    lead = f"wss://ws.okx.com:8443/ws/v5/public?{asked} <-> 1700000000.000000\n".encode()
    path.write_bytes(lead + b"1700000000.100000: " + OF_OKX % T0 + b"\n")
    with pytest.raises(SourceError, match=r"was ws\.okx\.com: another exchange, market or network"):
        report_of(path)
    path.write_bytes(lead.replace(asked.encode(), b"x=1") + b"1700000000.100000: " + OF_OKX % T0 + b"\n")
    assert report_of(path)["ok"]


@pytest.mark.parametrize(
    "name",
    [
        "btcusdt_testnet.txt",
        "binance_us_btcusdt.txt",
        "stream.binance.us_9443.txt",
        "binanceus-BTCUSDT.txt",
        "tokocrypto_btcusdt.txt",
        "okx_demo.txt",
        "test.deribit.com.txt",
        "eea.okx.com.txt",
        "wspap.okx.com.txt",
        "bybit-eu/btcusdt.txt",
        "testnet/2024/btcusdt.txt",
    ],
)
def test_a_name_of_another_network_is_heard_where_no_address_says_better(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(HELD)
    with pytest.raises(SourceError, match=r"\(in its name\): another exchange, market or network"):
        report_of(path)
    assert report_of(path, market="binance")["ok"]
    path.write_bytes(b"wss://stream.binance.com:9443/stream <-> 1700000000.000000\n" + HELD)
    assert report_of(path)["ok"]


@pytest.mark.parametrize("name", ["btcusdt_in_us.txt", "binance_um_btcusdt.txt", "test_binance.txt", "demo.txt"])
def test_other_names_say_nothing_of_a_network(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(HELD)
    assert report_of(path, market="" if "um" not in name else "binance")["ok"]


def test_a_header_of_another_venue_contradicts_the_frames(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"\n".join(row for row in typed(exchange="OKX").splitlines() if b"https://" not in row))
    with pytest.raises(SourceError, match="expected frames of OKX, which its header names, was frames of binance"):
        report_of(path)
    path.write_bytes(typed().replace(b'"config": {}', b'"config": {"sandbox": true}'))
    with pytest.raises(SourceError, match="was BINANCE_TESTNET: another"):
        report_of(path)
    path.write_bytes(typed().replace(b'"B.ws.1"', b'"BINANCE_US.ws.1"'))
    with pytest.raises(SourceError, match="was BINANCE_US: another"):
        report_of(path)
    assert report_of(path, market="binance")["ok"]
