"""The catalogue of services is the only list of them, and each row makes its service."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import get_type_hints

import pytest

from marketprism_adapters.nats import streams
from marketprism_adapters.nats.pipeline_probe import STAGES
from marketprism_sdk.election import LeaseSettings
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.service import Service, ShardedService, SingleActiveService
from marketprism_services.platform.catalogue import SERVICES, Instances, names, row_of, sharded, wiring_of
from marketprism_services.platform.container import Container
from marketprism_services.settings.layers import Layers
from marketprism_services.settings.modes import LIVE, is_used_by
from marketprism_services.settings.services import RESERVED
from marketprism_services.settings.settings import Settings
from marketprism_services.wiring.appliers import Appliers
from marketprism_services.wiring.shared import Shared
from tests.support.sources import parsed

ROOT = Path(__file__).parents[4]
OURS = ROOT / "services/marketprism_services"
LAYERS = ("domain", "application", "adapters", "services", "sdk")
for _row in SERVICES:  # not inside a loop, where importing one holds everything up
    wiring_of(_row)


def test_every_folder_with_a_service_has_a_row() -> None:
    assert sorted(names()) == sorted(path.parent.name for path in OURS.glob("*/service.py"))
    assert len(set(names())) == len(names())


def test_ports_are_different_and_leave_those_of_coming_services_free() -> None:
    ports = [row.port for row in SERVICES if row.port]
    assert len(ports) == len(set(ports))
    assert not {row.name for row in SERVICES if row.port in RESERVED.values() and RESERVED.get(row.name) != row.port}
    assert row_of("storage").port == 8083
    assert {row.name: Settings().http.port_of(row.name) for row in SERVICES} == {row.name: row.port for row in SERVICES}


def test_what_is_known_of_the_partitions_is_known_of_every_sharded_service() -> None:
    assert set(sharded()) == set(streams.SHARD_BUCKETS) == set(STAGES)


def _lists(path: Path) -> Iterator[tuple[int, set[str]]]:
    """Line and texts of every list, tuple, set and dictionary that is written out."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.List | ast.Tuple | ast.Set | ast.Dict):
            members = node.keys if isinstance(node, ast.Dict) else node.elts
            yield node.lineno, {each.value for each in members if isinstance(each, ast.Constant)}


def test_no_product_code_lists_services_a_second_time() -> None:
    found = []
    for path in (path for layer in LAYERS for path in (ROOT / layer).rglob("*.py")):
        # Commands are named by what they are about, as two of the services are.
        if path in (OURS / "settings/services.py", OURS / "cli/app.py"):
            continue
        for line, texts in _lists(path):
            if len(texts & set(names())) > 1:
                found.append(f"{path.relative_to(ROOT)}:{line}")
    assert found == []


def test_no_class_declares_a_field_for_each_service() -> None:
    found = []
    for path in OURS.rglob("*.py"):
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.ClassDef) and node.name != "Settings":  # whose fields are sections
                fields = {
                    item.target.id
                    for item in node.body
                    if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name)
                }
                found += [f"{path.name}:{node.name}"] if len(fields & set(names())) > 1 else []
    assert found == []


@pytest.mark.parametrize("row", SERVICES, ids=lambda row: row.name)
async def test_every_row_makes_its_service(connection: NatsConnection, row: object) -> None:
    assert isinstance(row, type(SERVICES[0]))
    settings = Settings.model_validate({"source": {"spec": "sim"}})
    service = Container(settings, connection).service(row.name)
    assert isinstance(service, Service)
    assert service.name == row.name
    kinds = {Instances.SINGLE_ACTIVE: SingleActiveService, Instances.SHARDED: ShardedService}
    assert [kind for kind in kinds.values() if isinstance(service, kind)] == (
        [kinds[row.instances]] if row.instances in kinds else []
    )
    hints = get_type_hints(import_module(row.wiring).build)
    assert hints.pop("return") is type(service)
    assert hints == {"settings": Settings, "connection": NatsConnection, "shared": Shared}


async def test_each_setting_that_applies_at_once_is_applied_by_every_service_that_uses_it(
    connection: NatsConnection,
) -> None:
    values = {"source.spec": "sim", "notify.mail.smtp_host": "mail.example", "notify.mail.sender": "a@example"}
    values |= {"notify.mail.recipients": ["b@example"]}
    changed = {
        "api.access_log": "off",
        "api.compress": False,
        "api.in_flight": 7,
        "api.per_second": 7.0,
        "notify.quiet_hours": "22:00-08:00",
        "query.cache_mb": 1.0,
        "scheduler.most_running": 7,
        "trace.every": 7,
    }
    of_process = {"log.format", "log.level"}
    assert changed.keys() | of_process == set(LIVE)
    for row in SERVICES:
        appliers = Appliers()
        Container(Layers().settings(values), connection, appliers).service(row.name)
        assert appliers.names == {name for name in changed if is_used_by(name, row.name)}
        settings = Layers().settings({**values, **changed})
        appliers.check(settings)
        appliers.apply(changed, settings)


async def test_what_services_share_is_made_once_and_only_when_asked_for(
    connection: NatsConnection, tmp_path: Path
) -> None:
    settings = Settings.model_validate({"data_dir": tmp_path, "capture": {"enabled": True}, "lease": {"lease_s": 2}})
    container = Container(settings, connection)
    shared = container._providers.shared()
    assert shared.calendar() is shared.calendar()
    assert shared.tap() is shared.tap()
    assert container._providers.shared() is shared
    assert settings.lease == LeaseSettings(lease_s=2)


def test_a_service_is_imported_only_where_it_runs() -> None:
    code = (
        "import sys, marketprism_services.platform.container\n"
        "print(sorted(name for name in sys.modules if name.endswith('.service') and 'services' in name))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_only_the_container_imports_the_container_library() -> None:
    users = []
    for path in OURS.rglob("*.py"):
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("dependency_injector"):
                users.append(path.name)
    assert users == ["container.py"]


def test_sources_and_engines_are_made_in_one_place_each() -> None:
    """Everybody else asks `wiring.sources.source_of` and `wiring.store.engines_of`."""
    makers = {
        "make_source": {"wiring/sources.py"},
        "ServerEngines": {"wiring/store.py"},
        "EmbeddedEngines": {"wiring/store.py"},
    }
    found: dict[str, set[str]] = {name: set() for name in makers}
    for path in OURS.rglob("*.py"):
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in makers:
                found[node.func.id].add(str(path.relative_to(OURS)))
    assert found == makers
