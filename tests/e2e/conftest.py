"""What holds for every pipeline that these tests run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def nobody_was_refused_by_nats(tmp_path: Path) -> Iterator[None]:
    """Every service has the rights that its code needs: the server of `up` logs whatever it refuses."""
    yield
    for log in tmp_path.rglob("nats/server.log"):
        refused = [line for line in log.read_text(errors="replace").splitlines() if "Violation" in line]
        assert not refused, f"{log}: expected that nobody is refused anything"
