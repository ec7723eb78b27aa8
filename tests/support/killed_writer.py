"""A program that records a version in a log and is killed before it puts it into force: `config` or `rules`, a URL."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

from marketprism_adapters.nats import streams
from marketprism_adapters.nats.config_log import CONFIG, ConfigLog
from marketprism_adapters.nats.rules_log import RulesLog
from marketprism_adapters.nats.versioned_log import CURRENT
from marketprism_application.contracts.config_records import ConfigRecord
from marketprism_domain.ticks.rules import ValidationRules
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import ensure_stream
from marketprism_sdk.nats.kv import NatsKeyValue, bucket_config

BY = "who is killed"


class _Deadly(NatsKeyValue):
    """Kills its process at the first write to what is in force."""

    async def create(self, key: str, value: bytes) -> int:
        _end_at(key)
        return await super().create(key, value)

    async def update(self, key: str, value: bytes, revision: int) -> int:
        _end_at(key)
        return await super().update(key, value, revision)


def _end_at(key: str) -> None:
    if key == CURRENT:
        os.kill(os.getpid(), signal.SIGKILL)


async def _write(what: str, url: str) -> None:
    connection = await NatsConnection.open(url)
    name = CONFIG if what == "config" else streams.RULES
    await ensure_stream(connection, bucket_config(name))
    bucket = _Deadly.existing(connection, name)
    if what == "config":
        log = ConfigLog(bucket)
        found = await log.current()
        version, values = found.layer.version + 1, {**found.layer.values, "trace.every": 6}
        changes = {"trace.every": (None, 6)}
        await log.commit(ConfigRecord(version, 1, BY, "ends here", "all", found.revision, changes, values))
    else:
        changed = {"z_low": 2.0}
        await RulesLog(bucket).change(
            ValidationRules(), changed, expected=None, who=BY, reason="ends here", key=f"of {os.getpid()}", ts=1
        )


def killed_between_writes(what: str, url: str) -> list[str]:
    """The command that is to be run; it ends by SIGKILL."""
    return [sys.executable, "-m", __name__, what, url]


if __name__ == "__main__":
    asyncio.run(_write(*sys.argv[1:3]))
