"""Settings: files, environment, options, and what wrong ones get."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from marketprism_domain.ticks.rules import ValidationRules
from marketprism_sdk.election import LeaseSettings
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_services.platform.catalogue import SERVICES, names, wiring_of
from marketprism_services.platform.container import Container
from marketprism_services.settings.errors import SettingsError
from marketprism_services.settings.sections import parse_speed
from marketprism_services.settings.settings import Settings, load
from marketprism_services.settings.shape import fields_of, is_list, type_at
from marketprism_services.wiring.sources import counter_of
from tests.support.sources import parsed

ROOT = Path(__file__).parents[4]
for _row in SERVICES:  # not inside a loop, where importing one holds everything up
    wiring_of(_row)
LAYERS = ("domain", "application", "adapters", "services", "sdk")
FILE = ROOT / "deploy/config/marketprism.toml"


def _leaves(kind: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Path of every setting that is no section."""
    found: list[tuple[str, ...]] = []
    for name in fields_of(kind):
        inner = _leaves(type_at(kind, (name,)), (*path, name))
        found += inner or [(*path, name)]
    return found


def test_the_example_file_holds_every_setting_with_its_default_and_a_comment() -> None:
    values = tomllib.loads(FILE.read_text(encoding="utf-8"))
    assert load(FILE) == Settings()
    default = Settings().model_dump(mode="json")
    lines = FILE.read_text(encoding="utf-8").splitlines()
    for path in _leaves(Settings):
        name, place, wanted = path[-1], values, default
        for part in path[:-1]:
            place, wanted = place.get(part, {}), wanted[part]
        own = [line for line in lines if line.removeprefix("# ").split(" =")[0] in (name, f"[{'.'.join(path)}]")]
        own += [line for line in lines if line.startswith(f"[{'.'.join(path)}]")]
        if wanted[name] is None or path == ("data_dir",):
            assert any(line.startswith(f"# {name} = ") for line in own), path  # TOML has no word for nothing
        else:
            assert place[name] == wanted[name], path
        assert any("#" in line.removeprefix("# ") for line in own), f"{path}: expected a comment"


def _classes(kind: Any) -> set[type]:
    """The classes that declare settings, each with those it is made of."""
    found: set[type] = set()
    for name in fields_of(kind):
        inner = type_at(kind, (name,))
        found |= _classes(inner) if fields_of(inner) else set()
        if is_list(inner) is False and getattr(inner, "__args__", ()):
            found |= _classes(inner.__args__[0]) if fields_of(inner.__args__[0]) else set()
    own = [each for each in kind.__mro__ if inspect.get_annotations(each)]
    return found | {each for each in own if fields_of(each) and each is not BaseModel}


# One word for a bound of its own: how many bytes a stream has, how long HTTP or NATS waits.
_OF_EACH = {"url", "read_url", "tls"}


def test_a_setting_has_one_owner() -> None:
    """No two classes of the settings, one of which is not made of the other, declare the same field; and the class is
    declared where it is used: below the services, or among the sections that belong to the process itself."""
    owners: dict[str, list[str]] = {}
    for kind in _classes(Settings) - {Settings}:
        for name, note in inspect.get_annotations(kind).items():
            if "ClassVar" not in str(note) and name in fields_of(kind):
                owners.setdefault(name, []).append(kind.__qualname__)
    shared = {name: sorted(set(of)) for name, of in owners.items() if len(set(of)) > 1 and name not in _OF_EACH}
    assert shared == {
        "archive": ["BackupSettings", "DataSettings"],  # whether archived rows are copied, and where venues' files are
        "cert": ["ClientTls", "HttpTls"],  # of a client, and of a server
        "data": ["HttpSettings", "StreamSettings"],  # the port of the service, and the stream of venues' messages
        "endpoint": ["LogSettings", "TraceSettings"],  # a collector of log lines, and one of spans
        "instruments": ["CounterSettings", "VenueSettings"],  # two sources, each with a list of its own
        "intervals": ["BarSettings", "VenueSettings"],  # bars that are counted, and bars that a venue sends
        "key": ["ClientTls", "HttpTls"],
        "recipients": ["BackupSettings", "MailSettings"],  # public keys, and addresses
        "keep_days": ["DataSettings", "Topology"],  # finished jobs, and rows of tables
        "password": ["Account", "NatsAccess"],  # of a broker's account, and of a user of NATS
        "user": ["Account", "NatsAccess"],
        "workers": ["BacktestSettings", "DataSettings"],  # what an instance of each does at once
    }


def test_no_class_mirrors_a_section() -> None:
    """Outside of the settings no class has two fields of one section with defaults: there would be two of each."""
    sections = {kind.__name__: set(inspect.get_annotations(kind)) & set(fields_of(kind)) for kind in _classes(Settings)}
    mirrors = {}
    for path in (path for layer in LAYERS for path in (ROOT / layer).rglob("*.py")):
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.ClassDef) and node.name not in sections and node.name[0] != "_":
                fields = {
                    item.target.id
                    for item in node.body
                    if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name) and item.value is not None
                }
                mirrored = sorted(name for name, own in sections.items() if len(fields & own) > 1)
                mirrors.update(dict.fromkeys([node.name], mirrored) if mirrored else {})
    assert mirrors == {
        "GatewayRow": ["VnpySettings"],  # what is known of a gateway, which a setting that is not empty overrules
        "Layout": ["VnpySettings"],  # how a file of bars is stamped, in which zone
        "SourceContext": ["Settings"],  # sections that sources of different kinds are made with
        "DatabasePlace": ["Account", "NatsAccess"],  # of a database of VeighNa, by VeighNa's own settings
        "Door": ["ClientTls"],  # what VeighNa's settings say, in VeighNa
        "InstrumentData": ["StreamSettings"],  # columns of rows, and which rows a stream has
        "VenueLimits": ["VenueSettings"],  # what a venue says itself, which a setting of 0 leaves alone
        "SubmitBacktest": ["Settings"],  # the venue of rows, and the source of a strategy
        "EventsParameters": ["Settings"],  # names of services and venues of events that were
        "Wanted": ["DataSettings"],  # what one command downloads, from which archive, by how many workers
        "TokenBody": ["Account", "NatsAccess"],  # what a request shows, user and password, is nobody's setting
    }


def test_settings_are_read_without_a_server_a_store_or_a_tracer() -> None:
    heavy = ("aiohttp", "pyarrow", "numpy", "opentelemetry", "vnpy", "chdb", "nats", "dependency_injector")
    modules = sorted(path.stem for path in (ROOT / "services/marketprism_services/settings").glob("[a-z]*.py"))
    code = "\n".join(
        (
            "import sys",
            *(f"import marketprism_services.settings.{name}" for name in modules),
            f"print([name for name in {heavy!r} if name in sys.modules])",
        )
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_a_text_is_split_where_the_setting_is_a_list(monkeypatch: pytest.MonkeyPatch) -> None:
    lists = {".".join(path) for path in _leaves(Settings) if is_list(type_at(Settings, path))}
    assert lists == {
        "api.cors_origins",
        "api.oidc.login_scopes",
        "api.oidc.role_map",
        "api.trusted_proxies",
        "backtest.packages",
        "backup.recipients",
        "backup.streams",
        "bars.intervals",
        "venue.instruments",
        "venue.kinds",
        "venue.intervals",
        "ctp.md_fronts",
        "ctp.td_fronts",
        "ctp.instruments",
        "calendar.closed",
        "calendar.open",
        "calendar.short",
        "http.names",
        "notify.apprise.places",
        "notify.escalate_to",
        "notify.info",
        "notify.mail.recipients",
        "notify.page",
        "notify.ticket",
        "sopt.md_fronts",
        "sopt.td_fronts",
        "sopt.instruments",
        "vnpy.symbols",
    }
    monkeypatch.setenv("MARKETPRISM_VENUE__KINDS", "trade, kline")
    monkeypatch.setenv("MARKETPRISM_CTP__OTHERS__0__MD_FRONTS", "tcp://a:1,tcp://b:1")
    monkeypatch.setenv("MARKETPRISM_STORE__KEEP_DAYS__MARKET_TICKS", "30")
    monkeypatch.setenv("MARKETPRISM_RULES__STALE_S_BY_VENUE__SHFE", "2.5")
    monkeypatch.setenv("MARKETPRISM_SOURCE__SPEC", "replay:a,b")
    monkeypatch.setenv("MARKETPRISM_LOG__LEVEL", "error")
    settings = load()
    assert settings.venue.kinds == ("trade", "kline")
    assert settings.ctp.others[0].md_fronts == ("tcp://a:1", "tcp://b:1")
    assert settings.store.keep_days == {"market_ticks": 30}
    assert settings.rules.stale_s_by_venue == {"shfe": 2.5}
    assert (settings.source.spec, settings.log.level) == ("replay:a,b", "error")


def test_options_win_over_the_environment_and_that_over_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.toml"
    path.write_text('[source]\nspec = "sim"\nspeed = "1"\n[log]\nlevel = "error"\n', encoding="utf-8")
    monkeypatch.setenv("MARKETPRISM_SOURCE__SPEED", "2")
    monkeypatch.setenv("MARKETPRISM_BARS__INTERVALS", "1m, 1d")
    monkeypatch.setenv("MARKETPRISM_RULES__STALE_S", "7.5")
    settings = load(path, {"source": {"spec": "replay:x.csv"}})
    assert (settings.source.spec, settings.source.speed, settings.log.level) == ("replay:x.csv", "2", "error")
    assert settings.bars.intervals == ("1m", "1d")
    assert ValidationRules.of(settings.rules) == ValidationRules(stale_s=7.5, version=2)


@pytest.mark.parametrize("text", ["[source\n", "x = 1\n", '[log]\nlevel = "loud"\n', "[http]\nquery = 70000\n"])
def test_a_wrong_file_stops_with_a_text(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match="setting"):
        load(path)
    with pytest.raises(SettingsError, match="No such file"):
        load(tmp_path / "none.toml")


@pytest.mark.parametrize(("text", "speed"), [("max", None), ("1", 1.0), ("60x", 60.0), ("0.5", 0.5)])
def test_speeds(text: str, speed: float | None) -> None:
    assert parse_speed(text) == speed
    for wrong in ("0", "-1", "fast", "inf", "nan"):
        with pytest.raises(ValueError, match="speed"):
            parse_speed(wrong)


@pytest.mark.parametrize(
    ("section", "values", "said"),
    [
        ("lease", {"heartbeat_s": 0.25, "probe_s": 0.4}, "setting lease: expected lease_s > 2 x heartbeat_s"),
        (
            "lease",
            {"lease_s": 0.1, "heartbeat_s": 0.04, "probe_s": 0.01},
            "setting lease: expected 0 < probe_timeout_s",
        ),
        ("lease", {"lease_s": float("inf")}, "setting lease: expected lease_s of at most 3600, was inf"),
        ("lease", {"lease_s": float("nan")}, "setting lease: expected lease_s of at most 3600, was nan"),
        ("bars", {"grace_s": 3_601}, "setting bars.grace_s: expected 0 to 3600 seconds, was 3601"),
        ("bars", {"grace_s": -1}, "setting bars.grace_s: expected 0 to 3600 seconds, was -1"),
        ("bars", {"intervals": ["1s"]}, "setting bars: interval: expected 1m or longer"),
        ("bars", {"intervals": ["7x"]}, "setting bars: interval"),
        (
            "api",
            {"oidc": {"issuer": "http://login.example", "client_id": "x"}},
            "setting api.oidc.issuer: expected https://host/…, or http:// on this machine",
        ),
        (
            "api",
            {"oidc": {"issuer": "https://login.example", "client_id": "x", "redirect_url": "https://desk.example/"}},
            "setting api.oidc.redirect_url: expected a URL whose path is /api/v1/auth/oidc/callback",
        ),
        (
            "api",
            {"oidc": {"issuer": "https://login.example", "token_audience": "x", "role_map": ["admin"]}},
            "setting api.oidc.role_map: expected pairs like mp-admins=admin, was 'admin'",
        ),
        (
            "api",
            {"trusted_proxies": ["10.0.0.0/8", "0.0.0.0/0"]},
            "setting api.trusted_proxies: expected networks like 10.1.0.0/16, was '0.0.0.0/0'",
        ),
        ("venue", {"kinds": ["trade", "markprice"]}, "setting venue.kinds: expected some of quote, trade, "),
    ],
)
def test_what_a_settings_owner_refuses_is_a_wrong_setting(section: str, values: dict[str, object], said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(None, {section: values})
    assert str(caught.value).startswith(said)


def test_what_a_settings_owner_takes_is_taken() -> None:
    assert load(None, {"bars": {"grace_s": 3_600}}).bars.grace_s == 3_600
    slow = {"lease_s": 3_600, "heartbeat_s": 1_799, "probe_s": 1_798}
    assert load(None, {"lease": slow}).lease == LeaseSettings(3_600, 1_799, 1_798)


def _bounds() -> list[tuple[str, str, float]]:
    """(section, field, value) of every number at its bounds and just beyond them."""
    found = []
    for section in fields_of(Settings):
        kind = type_at(Settings, (section,))
        for owner in kind.__mro__ if dataclasses.is_dataclass(kind) else ():
            for name, (lowest, highest) in vars(owner).get("BOUNDS", {}).items():
                step = 1 if type_at(kind, (name,)) is int else 1e-6
                found += [(section, name, value) for value in (lowest, lowest - step, highest, highest + step)]
        for name, inner in kind.model_fields.items() if issubclass(kind, BaseModel) else ():
            whole = inner.annotation is int
            for rule in inner.metadata:
                for sign, step in (("ge", 0.0), ("gt", 1e-6), ("le", 0.0), ("lt", -1e-6)):
                    bound = getattr(rule, sign, None)
                    if bound is not None:
                        found += [(section, name, value) for value in {bound + (round(step) if whole else step)}]
    return found


@pytest.mark.parametrize(("section", "name", "value"), _bounds())
async def test_a_setting_at_its_bounds_is_taken_by_whoever_it_is_for(
    connection: NatsConnection, section: str, name: str, value: float
) -> None:
    """What `load` accepts no owner may refuse later: a process would end with 1 and be started again for ever."""
    account = {"broker": "9999", "user": "u", "password": "p", "auth_code": "0", "app_id": "a"}
    fronts = {"md_fronts": ["tcp://127.0.0.1:1"], "td_fronts": ["tcp://127.0.0.1:2"], **account}
    given: dict[str, dict[str, object]] = {"ctp": dict(fronts), "sopt": dict(fronts)}
    given.setdefault(section, {})[name] = value
    settings = _accepted(given)
    for spec in ("ctp", "binance:BTC-USDT") if settings is not None else ():
        settings = load(None, {**given, "source": {**given.get("source", {}), "spec": spec}})
        container = Container(settings, connection)
        assert counter_of(settings, "sopt").settings.md_fronts
        for service in names() if spec == "ctp" else ("gateway",):
            assert container.service(service).name == service


def _accepted(given: dict[str, dict[str, object]]) -> Settings | None:
    """What `load` makes of it; None where it refuses it, as a wrong setting."""
    try:
        return load(None, given)
    except SettingsError:
        return None


def test_a_collector_that_is_no_url_is_refused_before_anything_starts() -> None:
    with pytest.raises(SettingsError, match=r"trace\.endpoint: expected http://host:4318 .*, was 'localhost:4318'"):
        load(None, {"trace": {"endpoint": "localhost:4318"}})
    assert load(None, {"trace": {"endpoint": "http://127.0.0.1:4318"}}).trace.endpoint == "http://127.0.0.1:4318"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ('data_dir = "/x\\u0000y"', "data_dir"),
        ('[capture]\nfolder = "/x\\u0000y"', "capture.folder"),
        ('[venue]\ninstruments = ["a", "b\\u0000"]', "venue.instruments.1"),
    ],
)
def test_a_text_with_nul_is_refused_by_name(tmp_path: Path, text: str, name: str) -> None:
    config = tmp_path / "settings.toml"
    config.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError) as refused:
        load(config)
    assert str(refused.value) == f"{name}: expected a text without NUL, was one"
