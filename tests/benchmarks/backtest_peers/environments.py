"""Environments of the peers: made where they are not there, each by its own interpreter, kept for the next run."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import numpy as np

from marketprism_application.backtesting.columns import BarColumns, InstrumentData, TickColumns

_HERE = Path(__file__).parent
_PLACE = Path(os.environ.get("BACKTEST_PEERS", Path.home() / ".cache" / "marketprism" / "backtest-peers"))
_TIMEOUT_S = 1_800.0
# Those that want a newer Python than we do: `make bench PEER_PYTHON=…` names one.
_NEWER = tuple(filter(None, (os.environ.get("PEER_PYTHON"), "python3.13", "python3.12", "python3.14")))


class Peer(NamedTuple):
    """A peer: its script, what is installed (with its dependencies, or without), interpreters that can run it."""

    script: str
    packages: tuple[str, ...]
    bare: tuple[str, ...]
    pythons: tuple[str, ...]


PEERS = {
    "vnpy_ctastrategy": Peer("vnpy_cta.py", ("vnpy==4.5.0",), ("vnpy_ctastrategy==1.4.1",), ("python3",)),
    "nautilus_trader": Peer("nautilus.py", ("nautilus_trader==1.231.0",), (), _NEWER),
}


def python_of(name: str) -> Path | str:
    """The interpreter of a peer's environment, made where it is not there; a text says why it cannot be."""
    peer, place = PEERS[name], _PLACE / name
    ready, python = place / ".ready", place / "bin" / "python"
    if ready.exists():
        return python
    found = next((path for each in peer.pythons if (path := _working(each)) is not None), None)
    if found is None:
        return f"no interpreter of {', '.join(peer.pythons)}"
    shutil.rmtree(place, ignore_errors=True)
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
    steps = [[found, "-m", "venv", str(place)], [*pip, *peer.packages]]
    steps += [[*pip, "--no-deps", *peer.bare]] if peer.bare else []
    for step in steps:
        done = subprocess.run(step, capture_output=True, text=True, check=False, timeout=_TIMEOUT_S, env=_environment())
        if done.returncode:
            return f"{' '.join(step[1:5])}: {done.stderr.strip()[-300:]}"
    ready.touch()
    return python


def run_peer(
    name: str, rows: Path, kind: str, lengths: tuple[int, int], size: int, rate: str, runs: int
) -> dict[str, object]:
    """What a peer makes of rows: rows a CPU second, orders and money; or why it did not run."""
    python = python_of(name)
    if isinstance(python, str):
        return {"not_run": python}
    words = [str(python), str(_HERE / PEERS[name].script), str(rows), kind, *map(str, lengths), str(size), rate]
    done = subprocess.run(
        [*words, str(runs)], capture_output=True, text=True, check=False, timeout=_TIMEOUT_S, env=_environment()
    )
    if done.returncode:
        return {"not_run": done.stderr.strip()[-300:]}
    found: dict[str, object] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def write_bars(path: Path, data: InstrumentData, columns: BarColumns) -> None:
    """Bars as prices in money, for peers: whole numbers here."""
    names = ("open", "high", "low", "close")
    prices = {name: getattr(columns, name) * int(data.unit) for name in names}
    np.savez(path, ts=columns.ts_open, ts_close=columns.ts_close, volume=columns.volume, **prices)


def write_ticks(path: Path, data: InstrumentData, columns: TickColumns) -> None:
    """Ticks as prices in money, for peers: whole numbers here."""
    prices = {name: getattr(columns, name) * int(data.unit) for name in ("last", "bid", "ask")}
    np.savez(path, ts=columns.ts, bid_size=columns.bid_size, ask_size=columns.ask_size, **prices)


def _working(name: str) -> str | None:
    path = shutil.which(name)
    if path is None:
        return None
    done = subprocess.run([path, "-c", "pass"], capture_output=True, check=False, env=_environment())
    return path if done.returncode == 0 else None


def _environment() -> dict[str, str]:
    """Without what would let our own packages in; Qt without a screen."""
    left_out = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
    return {
        **{name: value for name, value in os.environ.items() if name not in left_out},
        "QT_QPA_PLATFORM": "offscreen",
    }
