"""Which services share a process."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from marketprism_services.cli.up import up
from marketprism_services.platform.catalogue import in_up, names
from marketprism_services.platform.exits import Exit, Stop
from marketprism_services.platform.units import EACH, name_of, processes_for, unit_named, unit_of, units_of
from marketprism_services.settings.errors import SettingsError


@pytest.mark.parametrize(
    ("processes", "units"),
    [
        (1, "storage+query+api+aggregator+validator+gateway+monitor"),
        (2, "storage+query+api+monitor aggregator+validator+gateway"),
        (3, "storage query+api+monitor aggregator+validator+gateway"),
        (4, "storage query+api+monitor aggregator+validator gateway"),
        (5, "storage query+api+monitor aggregator validator gateway"),
        (EACH, "storage query api aggregator validator gateway monitor"),
    ],
)
def test_the_market_is_apart_first_then_the_store_then_each_service_of_the_market(processes: int, units: str) -> None:
    assert " ".join(name_of(unit) for unit in units_of(in_up(), processes)) == units


@example(services={"storage", "query", "api"}, processes=2)
@given(services=st.sets(st.sampled_from(names()), min_size=1), processes=st.integers(0, 20))
def test_every_service_is_in_one_process_and_there_are_no_more_of_them_than_asked_for(
    services: set[str], processes: int
) -> None:
    units = units_of(services, processes)
    assert sorted(name for unit in units for name in unit) == sorted(services)
    assert len(units) <= (processes if processes != EACH else len(services))
    assert all(unit_named(name_of(unit)) == unit for unit in units)
    for name in services:
        assert name in unit_of(name, units)


def test_a_pipeline_without_a_source_has_no_process_for_a_gateway() -> None:
    units = units_of([name for name in in_up() if name != "gateway"], 3)
    assert [name_of(unit) for unit in units] == ["storage", "query+api+monitor", "aggregator+validator"]
    assert unit_of("gateway", units) == ()


def test_a_unit_is_named_in_any_order_and_each_service_once() -> None:
    assert unit_named("gateway+validator") == unit_named("validator+gateway") == ("validator", "gateway")
    for wrong, text in (
        ("gateway+gateway", "service: expected each once, was gateway 2 times in 'gateway+gateway'"),
        ("gateway+nonsense", "service: expected one of aggregator, api, .*, was 'nonsense'"),
        ("gateway+", "service: expected one of aggregator, api, .*, was ''"),
    ):
        with pytest.raises(SettingsError, match=text.replace("+", r"\+")):
            unit_named(wrong)


def test_a_few_cores_have_few_processes_and_many_have_one_for_each_service() -> None:
    assert [processes_for(cores) for cores in (1, 2, 4, 6, 8, 64)] == [3, 3, 4, 6, EACH, EACH]


@pytest.mark.parametrize("given", ["x", "-1", "1.5", "", "٣"])
def test_a_number_of_processes_that_is_none_is_refused_before_anything_starts(given: str) -> None:
    with pytest.raises(Stop, match="--processes: expected a number of processes, or each, was") as refused:
        up(processes=given)
    assert refused.value.code is Exit.USAGE
