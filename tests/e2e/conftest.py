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


@pytest.fixture(autouse=True)
def passwords_of_nats_are_where_they_belong(tmp_path: Path) -> Iterator[None]:
    """In the file of each user and in the server's configuration, and neither in a log nor in another run file."""
    yield
    for users in tmp_path.rglob("run/nats"):
        secrets = [path.read_bytes().strip() for path in users.iterdir()]
        data = users.parent.parent
        looked = [*data.glob("logs/*"), *data.glob("run/*"), data / "nats/server.log"]
        for path in (path for path in looked if path.is_file()):
            text = path.read_bytes()
            assert not any(secret in text for secret in secrets), f"{path}: expected no password of NATS"
