"""The screen of `marketprism up`."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from marketprism_services.cli.up_view import _bar


@pytest.mark.parametrize("width", [60, 80, 100, 200])
@pytest.mark.parametrize(
    "text", ["validated · 115 bars · 10327 messages behind", "已校验 · 115 根 K 线 · 积压 10327 条消息"]
)
def test_no_number_of_the_progress_is_cut(width: int, text: str) -> None:
    bar = _bar()
    bar.add_task(text, total=116498, completed=9200)
    out = io.StringIO()
    Console(file=out, width=width, color_system=None).print(bar.get_renderable())
    assert "9200/116498" in out.getvalue()
    assert "…" not in out.getvalue()
