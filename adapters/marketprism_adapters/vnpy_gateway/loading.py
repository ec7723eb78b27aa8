"""The class of a gateway, and what it wants to be connected with. Both load others' code: not for an event loop."""

from __future__ import annotations

import importlib
import importlib.util
import json
from collections.abc import Mapping
from pathlib import Path

from marketprism_adapters.vnpy_gateway.registry import ROWS, gateway_class
from marketprism_adapters.vnpy_gateway.settings import VnpySettings
from marketprism_application.contracts.nearest import did_you_mean
from marketprism_application.errors import SourceError
from marketprism_sdk.errors import reason_of

_Value = str | int | float | bool


def check_spec(text: str) -> None:
    """Nothing, where a text names a module and its class.

    Raises:
        SourceError: it does not.
    """
    if gateway_class(text) is None:
        raise SourceError(
            f"source vnpy: expected a module and its class, like vnpy:vnpy_xtp.XtpGateway, was {text!r}"
            f"{did_you_mean(text, ROWS)}"
        )


def load_gateway(text: str) -> type:
    """The class of `vnpy_xtp.XtpGateway`.

    Raises:
        SourceError: there is no such module or class, it cannot be loaded, it is no gateway, or vnpy is missing.
    """
    check_spec(text)
    found = gateway_class(text)
    assert found is not None  # noqa: S101 (checked)
    package = found.module.partition(".")[0]
    if importlib.util.find_spec(package) is None:
        near = did_you_mean(text, ROWS)
        raise SourceError(
            f"source vnpy: expected a module that can be imported, {package} is none here; is it installed?{near}"
        )
    try:
        base = importlib.import_module("vnpy.trader.gateway").BaseGateway
    except ImportError as error:
        raise SourceError(f"source vnpy: expected vnpy, pip install 'marketprism[vnpy]': {reason_of(error)}") from error
    try:
        module = importlib.import_module(found.module)
    except Exception as error:  # anybody's code
        raise SourceError(f"source vnpy: expected {found.module} to be loaded: {reason_of(error)}"[:500]) from error
    cls = getattr(module, found.cls, None)
    if not isinstance(cls, type) or not issubclass(cls, base):
        gateways = sorted(
            name for name, each in vars(module).items() if isinstance(each, type) and issubclass(each, base)
        )
        known = [name for name in gateways if name != "BaseGateway"]
        was = f"{found.cls} is missing" if cls is None else f"{found.cls} is none"
        text = f"source vnpy: expected a class of {found.module} that is a BaseGateway, {was}"
        raise SourceError(f"{text}; it has {', '.join(known) or 'none'}{did_you_mean(found.cls, known)}")
    return cls


def connect_setting(gateway: type, name: str, given: VnpySettings) -> dict[str, _Value]:
    """What a gateway's `connect` gets: each of its own names, of the type that its default has.

    Raises:
        SourceError: the JSON is none, or a name is missing, unknown, or of another type; names it, never a value.
    """
    wanted: Mapping[str, object] = getattr(gateway, "default_setting", {})
    values = _values(given, name)
    where = f"vnpy.setting of {name}"
    missing = [each for each, default in wanted.items() if each not in values and default in ("", 0)]
    if missing:
        raise SourceError(f"{where}: expected {', '.join(wanted)}, without {', '.join(missing)}")
    for each in values:
        if each not in wanted:
            near = did_you_mean(each, wanted)
            raise SourceError(f"{where}: expected {', '.join(wanted) or 'nothing'}, was {each!r}{near}")
    return {each: _typed(where, each, default, values.get(each, default)) for each, default in wanted.items()}


def _values(given: VnpySettings, name: str) -> dict[str, object]:
    text, where = given.setting.reveal(), f"vnpy.setting of {name}"
    if given.connect_json:
        path = Path(given.connect_json).expanduser()
        where = f"vnpy.connect_json {path}"
        if text:
            raise SourceError(f"{where}: expected none where vnpy.setting is given too")
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise SourceError(f"{where}: expected a file that can be read: {reason_of(error)}") from error
    try:
        found = json.loads(text or "{}")
    except ValueError:
        raise SourceError(f'{where}: expected JSON, like {{"name": "value"}}') from None
    if not isinstance(found, dict):
        raise SourceError(f"{where}: expected a JSON object, was {type(found).__name__}")
    return found


def _typed(where: str, name: str, default: object, value: object) -> _Value:
    if isinstance(default, list | tuple):
        chosen = default[0] if value is default and default else value
        if chosen not in default:
            raise SourceError(f"{where}, {name}: expected one of {', '.join(map(str, default))}, was another")
        return chosen  # type: ignore[return-value]
    kind = type(default)
    if isinstance(value, bool) != (kind is bool) or not isinstance(value, str | int | float):
        raise SourceError(f"{where}, {name}: expected {kind.__name__}, was {type(value).__name__}")
    if kind is str and isinstance(value, int | float):
        return str(value)
    try:
        return value if kind is bool or kind not in (str, int, float) else kind(value)
    except ValueError:
        raise SourceError(f"{where}, {name}: expected {kind.__name__}, was {type(value).__name__}") from None


__all__ = ["check_spec", "connect_setting", "load_gateway"]
