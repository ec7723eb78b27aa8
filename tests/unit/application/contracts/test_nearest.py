"""What may have been meant has one measure, whatever the name is of."""

from __future__ import annotations

from pathlib import Path

import pytest

from marketprism_application.contracts.nearest import did_you_mean, nearest
from marketprism_services.settings.errors import SettingsError
from marketprism_services.settings.settings import load

ROOT = Path(__file__).parents[4]
NEAREST = "application/marketprism_application/contracts/nearest.py"


def test_what_is_near_is_found_in_any_case() -> None:
    assert nearest("BTCPERP", ["BTC-USDT-PERP", "ETH-USDT"], 1) == ["BTC-USDT-PERP"]
    assert did_you_mean("URL", ["url", "timeout_s"]) == "; did you mean 'url'"
    assert did_you_mean("zz", ["url"]) == ""


def test_a_setting_is_found_in_any_case() -> None:
    with pytest.raises(SettingsError, match="there is no such setting; did you mean 'url'\\?"):
        load(overrides={"store": {"URL": "http://127.0.0.1"}})
    with pytest.raises(SettingsError, match="there is no such setting; known: "):
        load(overrides={"store": {"zzzz": 1}})


def test_nobody_has_a_measure_of_its_own() -> None:
    own = {
        str(path.relative_to(ROOT))
        for layer in ("domain", "application", "adapters", "services", "sdk")
        for path in (ROOT / layer).rglob("*.py")
        if "difflib" in path.read_text(encoding="utf-8")
    }
    assert own == {NEAREST}
