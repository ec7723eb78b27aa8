"""Makes a real gateway of VeighNa as a source makes it: `python -m tests.support.vnpy_real_gateway vnpy_xtp.XtpGateway`.

Ends with 3 where the package, or a library of the broker that it needs, cannot be loaded.
"""

from __future__ import annotations

import importlib
import inspect
import json
import sys
from typing import Any

from marketprism_adapters.vnpy_gateway.engine import TimerEngine
from marketprism_adapters.vnpy_gateway.loading import connect_setting, load_gateway
from marketprism_adapters.vnpy_gateway.registry import ROWS
from marketprism_adapters.vnpy_gateway.settings import VnpySettings
from marketprism_adapters.vnpy_gateway.tap import Sink, tapped
from marketprism_sdk.urls import Secret


def check(spec: str) -> None:
    """Make it, and compare it with its row."""
    gateway: Any = load_gateway(spec)
    row, sink = ROWS[spec], Sink()
    made: Any = tapped(gateway, sink)(TimerEngine(lambda: None, sink.put, sink.failed), row.name.upper())  # type: ignore[arg-type,return-value]
    assert isinstance(made, gateway)
    try:
        made.send_order(None)
    except PermissionError:
        pass
    else:
        raise AssertionError("an order was sent")
    wanted = gateway.default_setting
    blank = {name: default[0] if isinstance(default, list) else default for name, default in wanted.items()}
    given = VnpySettings(setting=Secret(json.dumps(blank)))
    assert list(connect_setting(gateway, spec, given)) == list(wanted)
    found = {str(getattr(each, "value", each)).lower() for each in gateway.exchanges}
    if not any(len(each) < 3 for each in found):  # one has the broker's own letters there
        assert found == set(row.exchanges), f"expected {row.exchanges}, was {found}"
    body = inspect.getsource(gateway.close).split('"""')[-1].strip()
    assert (body != "pass") is row.closes, body


if __name__ == "__main__":
    try:
        importlib.import_module(sys.argv[1].partition(".")[0])
    except ImportError as missing:
        print(missing)
        raise SystemExit(3) from None
    check(sys.argv[1])
    print("made")
