"""One gateway in a process of its own, for all attacks that it survives."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from tests.integration.attacks.place import Process, keys_at


class Attacked(NamedTuple):
    """The gateway, the key of a viewer whom nothing may keep waiting, and that of who attacks."""

    process: Process
    nats_url: str
    bystander: str
    attacker: str


@pytest.fixture(scope="module")
def attacked(nats_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attacked]:
    """Not for longer than a file of tests: a gateway that runs on shares every caller's limit with those of others."""
    process = Process("api", nats_url, tmp_path_factory.mktemp("attacked") / "log")
    bystander, attacker = asyncio.run(keys_at(nats_url, viewer="bulk", quant="quant"))
    yield Attacked(process.wait(), nats_url, bystander, attacker)
    assert process.process.poll() is None, "it has ended"
    process.end()
