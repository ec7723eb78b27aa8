"""Testing kit: a clock that stands still, a bucket and a bus in memory, and ways to break real things."""

from marketprism_sdk.testing.clock import ManualClock
from marketprism_sdk.testing.faults import FaultyKeyValue
from marketprism_sdk.testing.memory import MemoryBus, MemoryKeyValue, MemoryProber
from marketprism_sdk.testing.processes import Burners, Child
from marketprism_sdk.testing.proxy import FaultyProxy

__all__ = [
    "Burners",
    "Child",
    "FaultyKeyValue",
    "FaultyProxy",
    "ManualClock",
    "MemoryBus",
    "MemoryKeyValue",
    "MemoryProber",
]
