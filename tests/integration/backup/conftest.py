"""What backups are tried with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.nats_server import running_nats


@pytest.fixture
def nats_url(tmp_path: Path) -> Iterator[str]:
    """A server of its own: storage writes what other tests left in the streams, and answers would change meanwhile."""
    with running_nats(tmp_path / "nats") as url:
        yield url
