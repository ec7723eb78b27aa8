"""How many partitions the log has where nothing says otherwise."""

from __future__ import annotations

# One number for the life of the streams (`streams.partitions`): they say it themselves, and other programs are refused.
PARTITIONS = 32
