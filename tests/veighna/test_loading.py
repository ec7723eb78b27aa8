"""How quickly stored ticks become VeighNa's: the figure is printed (`make test-vnpy ARGS=-s`), what is loaded is compared."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.veighna import Desk
from tests.veighna.conftest import ReadSide

pytestmark = [pytest.mark.timeout(300), pytest.mark.xdist_group("clickhouse")]


async def test_three_days_of_ticks_are_loaded(read_side: ReadSide, tmp_path: Path) -> None:
    found = await Desk(tmp_path / "desk", **{"database.host": read_side.nats}).run("load_ticks", "8")
    assert (found["rows"], found["alike"]) == (116_498, True)
    of_process, whole = (found["rows"] / found[name] for name in ("own_s", "whole_s"))
    print(f"{of_process:,.0f} ticks a second of the process, {whole:,.0f} with the read side on the same machine")
