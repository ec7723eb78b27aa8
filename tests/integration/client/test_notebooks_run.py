"""`examples/notebooks` against a running pipeline, by nbclient in the environment that `make test-clients` makes."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from marketprism_client import MarketClient, UnknownSymbol
from tests.support.nats_server import running_nats
from tests.support.pipeline import Pipeline

ROOT = Path(__file__).parents[3]
PYTHON = ROOT / ".venv-notebooks/bin/python"
pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(400),
    pytest.mark.skipif(not PYTHON.exists(), reason="no .venv-notebooks: make test-clients"),
]


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    with running_nats(tmp_path / "nats") as found:
        yield found


async def _has_bars(url: str) -> None:
    async with asyncio.timeout(120), MarketClient(url) as market:
        while True:
            # Until its first tick is stored the instrument is an unknown one, which is an error.
            with contextlib.suppress(UnknownSymbol):
                if (await market.bars("rb2505", "1m")).num_rows >= 5:
                    return
            await asyncio.sleep(0.5)


async def test_every_notebook_runs_to_its_end(url: str, tmp_path: Path) -> None:
    pipeline = Pipeline(url, tmp_path / "data")
    await pipeline.start()
    await _has_bars(url)
    where = {
        "MARKETPRISM_URL": f"http://127.0.0.1:{pipeline.services['api'].http.port}",
        "MARKETPRISM_NATS": url,
        "MARKETPRISM_SYMBOL": "rb2505",
    }
    books = sorted((ROOT / "examples/notebooks").glob("*.ipynb"))
    for book in books:
        process = await asyncio.create_subprocess_exec(
            str(PYTHON),
            str(ROOT / "tests/support/notebooks.py"),
            str(book),
            cwd=tmp_path,
            env={**os.environ, **where, "IPYTHONDIR": str(tmp_path)},
            stdout=-1,
            stderr=-1,
        )
        _, stderr = await process.communicate()
        assert process.returncode == 0, stderr.decode()[-3000:]
    assert await pipeline.stop() == [0] * len(pipeline.services)
    assert len(books) == 2
