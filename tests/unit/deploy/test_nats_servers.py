"""What the configurations of nats-server have in common, wherever it runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from marketprism_adapters.nats.local_server import MOST_CONSUMERS

DEPLOY = Path(__file__).parents[3] / "deploy"
WITH_JETSTREAM = sorted(
    path
    for path in DEPLOY.rglob("*")
    if path.suffix in (".conf", ".py") and re.search(r"jetstream \{", path.read_text(encoding="utf-8"))
)


def test_they_are_all_found() -> None:
    assert [str(path.relative_to(DEPLOY)) for path in WITH_JETSTREAM] == [
        "compose/nats-node.conf",
        "compose/nats.conf",
        "kubernetes/nats/nats.conf",
        "nodes/files.py",
        "systemd/nats.conf",
    ]


@pytest.mark.parametrize("path", WITH_JETSTREAM, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_stream_takes_more_readers_than_the_server_lets_it_by_itself(path: Path) -> None:
    (most,) = re.findall(r"limits \{+ default_max_consumers: (\S+) \}+", path.read_text(encoding="utf-8"))
    assert most in (str(MOST_CONSUMERS), "{MOST_CONSUMERS}")
