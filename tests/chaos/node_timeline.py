"""Where the time of a lost node goes: who led what on which node, and when each of it was led again."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from marketprism_adapters.nats import streams
from marketprism_sdk.election import LEASES

LEASES_STREAM = f"KV_{LEASES}"
GATEWAY = "gateway.default"
# What a tick needs on its way: the lease of who publishes it, the owners of its partition, and the streams that it is
# written to.
WATCHED = (LEASES_STREAM, f"KV_{streams.VALIDATOR_SHARDS}", streams.RAW, streams.DATA, streams.TICKS)
_LED = re.compile(r"^\[\d+\] (\S+ \S+) \[INF\] JetStream cluster new stream leader for '\S+ > (\S+)'")


@dataclass
class Timeline:
    """One fault: `led` is the node of each leader before it, `struck` the nodes that it struck."""

    led: Mapping[str, str]
    struck: frozenset[str]
    struck_at: float  # seconds of the epoch
    again: dict[str, float] = field(default_factory=dict)  # by what: seconds until it was led again
    silence_s: float = 0.0
    silent_from_s: float = 0.0

    @property
    def kind(self) -> str:
        """What the struck nodes led of what a tick needs."""
        lost = [name for name, node in self.led.items() if node in self.struck]
        if LEASES_STREAM in lost:
            return "the leases' stream led there"
        if GATEWAY in lost:
            return "the gateway led there, the leases' stream elsewhere"
        return "neither the gateway nor the leases' stream led there"

    def text(self) -> str:
        """One line."""
        led = ", ".join(f"{name} on {node}" for name, node in sorted(self.led.items()))
        again = ", ".join(f"{name} {s:+.2f} s" for name, s in sorted(self.again.items(), key=lambda item: item[1]))
        return (
            f"led {led}; struck {', '.join(sorted(self.struck))}; led again: {again or 'nothing'}; "
            f"silent {self.silence_s:.2f} s from {self.silent_from_s:+.2f} s"
        )


def elections(logs: Iterable[Path], since: float) -> dict[str, float]:
    """Seconds after a moment until each of the watched streams had a leader again, by what the servers' logs say."""
    found: dict[str, float] = {}
    for log in logs:
        for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
            led = _LED.match(line)
            if led is not None and led[2] in WATCHED:
                at = datetime.strptime(led[1], "%Y/%m/%d %H:%M:%S.%f").astimezone(UTC).timestamp() - since
                if at > 0:
                    found[led[2]] = min(found.get(led[2], at), at)
    return found


__all__ = ["GATEWAY", "LEASES_STREAM", "WATCHED", "Timeline", "elections"]
