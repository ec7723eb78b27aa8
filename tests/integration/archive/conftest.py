"""Servers that the archive is tried with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.clickhouse import serve_clickhouse
from tests.support.nats_server import running_nats
from tests.support.s3_server import S3Server, need_s3, s3_server


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """An S3-compatible store."""
    need_s3()
    with s3_server(tmp_path_factory.mktemp("s3")) as found:
        yield found


@pytest.fixture(scope="session")
def urls(server: S3Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """A ClickHouse server that may reach the store, by both of its protocols."""
    host = server.endpoint.partition("://")[2]
    with serve_clickhouse(tmp_path_factory.mktemp("clickhouse"), native=True, files_at=host) as both:
        yield both


@pytest.fixture
def nats_url(tmp_path: Path) -> Iterator[str]:
    """A server of its own: storage writes what other tests left in the streams, and answers would change meanwhile."""
    with running_nats(tmp_path / "nats") as url:
        yield url
