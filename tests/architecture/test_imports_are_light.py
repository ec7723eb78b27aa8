"""What a program loads before it does anything: counted in modules of a fresh process, not in seconds.

A heavy library is loaded by whoever needs it when it is needed: a function imports it, types come from `TYPE_CHECKING`.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

from marketprism_services.platform.catalogue import names

HEAVY = {
    "aiohttp",
    "chdb",
    "chinese_calendar",
    "dependency_injector",
    "matplotlib",
    "nats",
    "numba",
    "numpy",
    "opentelemetry",
    "pandas",
    "picows",
    "plotext",
    "polars",
    "prometheus_client",
    "psutil",
    "pyarrow",
    "pydantic",
    "tenacity",
    "uvloop",
    "vnpy",
    "vnpy_ctp",
    "vnpy_sopt",
}
# Health and metrics over HTTP are every service's; OpenTelemetry brings psutil along where it is installed.
OF_A_SERVICE = {"aiohttp", "opentelemetry", "prometheus_client", "psutil"}
# The monitor checks what is set centrally by the classes of the settings.
OF_SOME = {
    "backtest": {"numpy", "pyarrow", "pydantic"},  # it is started by whoever runs strategies
    "data": {"numpy", "pandas", "pyarrow"},  # checks and downloads are columns; pandas comes with what reads files
    "storage": {"pydantic"},
    "query": {"pydantic"},
    "api": {"pydantic"},
    "monitor": {"pydantic"},
}
_REPORT = "\nimport sys; sys.stderr.write('\\n'.join(['<modules>', *sys.modules]))"


def modules_after(code: str) -> list[str]:
    """Names of the modules that a fresh process has loaded when `code` has run."""
    done = subprocess.run([sys.executable, "-c", code + _REPORT], capture_output=True, text=True, check=True)
    return done.stderr.split("<modules>\n")[1].splitlines()


def heavy(modules: list[str]) -> set[str]:
    return HEAVY & {name.partition(".")[0] for name in modules}


def test_a_list_of_commands_loads_none_of_them() -> None:
    modules = modules_after(
        "import sys; sys.argv = ['marketprism', '--help']\n"
        "from marketprism_services.__main__ import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code, end.code"
    )
    ours = {name for name in modules if name.startswith("marketprism_")}
    assert ours == {
        "marketprism_services",
        "marketprism_services.__main__",
        "marketprism_services.cli",
        "marketprism_services.cli.app",
        "marketprism_services.cli.language",
        "marketprism_services.cli.language.catalogue",
    }
    assert heavy(modules) == set()
    assert not {"asyncio", "structlog"} & set(modules)
    assert len(modules) <= 400


def test_up_begins_to_load_its_services_before_it_loads_anything_itself() -> None:
    assert heavy(modules_after("import marketprism_services.cli.up")) == set()
    assert heavy(modules_after("import marketprism_services.cli.up_view")) <= {"chinese_calendar", "pydantic"}


def test_importing_the_client_loads_nothing_that_it_does_not_use_yet() -> None:
    modules = modules_after("import marketprism_client")
    assert heavy(modules) == set()
    assert len(modules) <= 100


def test_the_client_itself_loads_no_library_before_it_connects_or_reads() -> None:
    modules = modules_after("from marketprism_client import Answer, MarketClient, QueryFailed, SyncMarketClient")
    assert heavy(modules) == set()
    assert "structlog" not in modules
    assert len(modules) <= 400


def test_an_answer_needs_no_library_but_the_one_that_it_is_turned_into() -> None:
    modules = modules_after(
        "import pyarrow as pa\n"
        "from marketprism_client import Answer\n"
        "table = pa.Table.from_arrays([pa.nulls(2, pa.int64())], names=['ts_event'])\n"
        "Answer(table, dict, time_field='ts_event', tz='Asia/Shanghai').to_arrow()"
    )
    assert heavy(modules) <= {"pyarrow", "numpy"}  # Arrow loads numpy where it is there


@pytest.mark.parametrize("name", names())
def test_a_service_loads_no_library_that_it_needs_later_or_never(name: str) -> None:
    assert heavy(modules_after(f"import marketprism_services.{name}.service")) <= OF_A_SERVICE | OF_SOME.get(
        name, set()
    )


def test_running_a_service_loads_no_store_and_no_source_on_the_way() -> None:
    modules = modules_after("import marketprism_services.cli.run, marketprism_services.platform.runtime")
    assert heavy(modules) <= OF_A_SERVICE | {"pydantic"}


def test_the_list_of_sources_loads_none_of_them() -> None:
    assert heavy(modules_after("import marketprism_adapters.sources.registry")) == set()


@pytest.mark.parametrize(
    "package", ["marketprism_sdk", "marketprism_client", "marketprism_sdk.messaging", "marketprism_sdk.observability"]
)
def test_lazy_names_are_all_there(package: str) -> None:
    modules_after(f"import {package} as package\nfor name in package.__all__:\n    getattr(package, name)")
    modules_after(f"from {package} import *")
    modules_after(
        f"import {package} as package\n"
        "try:\n    package.no_such_name\nexcept AttributeError as error:\n    assert 'no_such_name' in str(error)\n"
        "else:\n    raise SystemExit('expected an AttributeError, was none')"
    )
