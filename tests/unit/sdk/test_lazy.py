"""Heavy modules are loaded beside the event loop."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from marketprism_sdk.lazy import loaded

_HEAVY = """
import threading
begun, go_on = threading.Event(), threading.Event()
begun.set()
assert go_on.wait(20)
"""


async def test_who_asks_while_a_module_is_being_loaded_waits_beside_the_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "a_heavy_module_of_a_test"
    (tmp_path / f"{name}.py").write_text(_HEAVY)
    monkeypatch.syspath_prepend(tmp_path)
    first = asyncio.create_task(loaded(name))
    while not hasattr(sys.modules.get(name), "go_on"):
        await asyncio.sleep(0.01)
    second = asyncio.create_task(loaded(name))
    await asyncio.sleep(0.01)
    assert not second.done(), "it is not there yet: an import in the loop would hold the loop up"
    sys.modules[name].go_on.set()
    await asyncio.gather(first, second)
    await loaded(name)
    del sys.modules[name]
