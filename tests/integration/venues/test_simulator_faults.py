"""Faults of a simulated venue on demand, and the command that starts it."""

from __future__ import annotations

import asyncio
import itertools
import socket
import time

import pytest
from typer.testing import CliRunner

from marketprism_adapters.venues.kit.dialect import begins_by_itself
from marketprism_adapters.venues.simulator.faults import FAULTS, Fault, parse_faults, random_faults
from marketprism_adapters.venues.simulator.registry import DIALECTS
from marketprism_adapters.venues.simulator.server import SimulatedVenueServer
from marketprism_application.errors import SourceError
from marketprism_services.cli.app import app
from marketprism_services.platform.exits import Stop
from tests.integration.venues.simulator_side import heard, simulated

pytestmark = pytest.mark.timeout(60)


async def test_faults_are_timed_from_the_first_client_on_and_one_may_choose_the_code() -> None:
    async with simulated(faults=parse_faults("close@0.3:1013")) as (server, at):
        await asyncio.sleep(0.5)
        assert list(server.injected) == []
        async with at("/stream") as client:
            began = time.monotonic()
            async with asyncio.timeout(5):
                assert (await client.receive()).data == 1013
            assert time.monotonic() - began > 0.25
        assert [fault.name for fault in server.injected] == ["close"]


async def test_what_nobody_saw_is_not_counted() -> None:
    async with simulated() as (server, at):
        for fault in (Fault(0, "checksum", 1), Fault(0, "silence", 1), Fault(0, "gap", 2)):
            server.do(fault)
        await asyncio.sleep(0.2)
        assert list(server.injected) == []  # no checksum here, no client, nobody who would miss a step
        assert server.faults.armed.waiting == 1
        async with at("/ws/btcusdt@depth@100ms") as client:
            events = await heard(client, 4)
        assert [fault.name for fault in server.injected] == ["gap"]
        assert server.faults.armed.waiting == 0
        assert all(after["U"] == before["u"] + 1 for before, after in itertools.pairwise(events))


async def test_each_market_says_what_it_cannot_show() -> None:
    for market, simulated_market in DIALECTS.items():
        dialect = simulated_market(("BTC",))
        server = SimulatedVenueServer(dialect)
        assert set(server.faults.cannot) == (set() if market == "okx" else {"checksum"})
        assert begins_by_itself(dialect) is not market.startswith("binance")


def test_random_faults_have_no_end_and_are_their_seed() -> None:
    made = list(itertools.islice(random_faults(7, 6.0), 2_000))
    assert made == list(itertools.islice(random_faults(7, 6.0), 2_000))
    assert made == sorted(made, key=lambda fault: fault.at_s)
    assert 0.9 < made[-1].at_s / (2_000 * 10.0) < 1.1  # six a minute, for hours
    assert {fault.name for fault in made} == set(FAULTS)
    assert next(random_faults(7, 0.01)).at_s > 60
    assert list(random_faults(7, 0.0)) == []


@pytest.mark.parametrize(
    "text",
    ["gap@1:inf", "gap@nan:3", "gap@-5:-3", "gap@1:0", "gap@1:1.5", "slow@1:nan", "close@1:1006", "close@1:3", "gap@x"],
)
def test_a_fault_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(SourceError, match="faults: "):
        parse_faults(text)


# -- the command -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--bases", ""], "--bases: expected letters and digits"),
        (["--bases", "btc,,eth"], "--bases: expected letters and digits"),
        (["--bases", "0"], "--bases: expected 1 to"),
        (["--faults", "gap@1:inf"], "faults: gap: expected a whole number"),
        (["--rate", "inf"], "--rate: expected a number"),
    ],
)
def test_the_command_refuses_in_one_line(arguments: list[str], said: str) -> None:
    error = CliRunner().invoke(app, ["simulate", "binance", *arguments]).exception
    assert isinstance(error, Stop | SourceError)
    assert said in str(error)
    assert "\n" not in str(error)


def test_a_port_that_cannot_be_had_is_told() -> None:
    for port in ("70000", "-1"):
        assert CliRunner().invoke(app, ["simulate", "binance", "--port", port]).exit_code == 2
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        error = CliRunner().invoke(app, ["simulate", "binance", "--port", port]).exception
    assert isinstance(error, SourceError)
    assert f"port: expected one that is free on 127.0.0.1, was {port}: Address already in use" == str(error)
