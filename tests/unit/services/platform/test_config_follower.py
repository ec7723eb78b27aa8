"""What central values mean for one process: taken at once, waiting, pinned, refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from marketprism_application.contracts.config_records import CentralLayer
from marketprism_domain.errors import InvalidValue
from marketprism_sdk.errors import ConfigurationError
from marketprism_services.platform.config_follower import ConfigFollower, follower_of
from marketprism_services.platform.config_watch import LastGood
from marketprism_services.settings.layers import Layers
from marketprism_services.settings.settings import Settings
from marketprism_services.wiring.appliers import Appliers


class Applied:
    """What appliers were called with."""

    def __init__(self) -> None:
        self.levels: list[str] = []
        self.rates: list[int] = []
        self.appliers = Appliers()
        self.appliers.on("log.level", lambda given: self.levels.append(given.log.level))
        self.appliers.on("trace.every", lambda given: self.rates.append(given.trace.every))


def take(follower: ConfigFollower, version: int, **values: object) -> None:
    named = {name.replace("__", "."): value for name, value in values.items()}
    follower.take(version, follower.plan(named))


def test_what_is_live_is_applied_and_what_is_not_waits() -> None:
    seen = Applied()
    follower = ConfigFollower(Layers(), CentralLayer(), "gateway", seen.appliers)
    take(follower, 1, log__level="debug", lease__probes=9, notify__page=["mail"])
    assert seen.levels == ["debug"]
    assert seen.rates == []
    assert follower.settings.log.level == "debug"
    assert follower.settings.lease == Settings().lease  # what it runs with
    assert follower.standing == (1, ("lease.probes",), (), "")  # a gateway has nothing to do with notices
    take(follower, 2, log__level="debug")
    assert (seen.levels, follower.standing.pending) == (["debug"], ())
    take(follower, 3)
    assert seen.levels == ["debug", "info"]


def test_what_it_started_with_is_running() -> None:
    seen = Applied()
    layer = CentralLayer(4, {"lease.probes": 9, "log.level": "error"})
    follower = ConfigFollower(Layers(), layer, "gateway", seen.appliers)
    assert (follower.settings.lease.probes, follower.settings.log.level) == (9, "error")
    assert follower.standing == (4, (), (), "")
    take(follower, 5)
    assert follower.standing.pending == ("lease.probes",)
    assert follower.settings.lease.probes == 9


def test_what_is_live_and_not_applied_by_this_process_waits() -> None:
    follower = ConfigFollower(Layers(), CentralLayer(), "gateway", Appliers())
    take(follower, 1, log__level="debug")
    assert follower.standing.pending == ("log.level",)
    assert follower.settings.log.level == "info"


def test_what_is_pinned_is_reported_and_not_changed() -> None:
    seen = Applied()
    follower = ConfigFollower(Layers({}, ({"log": {"level": "error"}},)), CentralLayer(), "gateway", seen.appliers)
    take(follower, 1, log__level="debug", trace__every=5)
    assert follower.standing == (1, (), ("log.level",), "")
    assert (seen.levels, seen.rates) == ([], [5])


def test_an_instance_is_meant_once_it_has_a_name() -> None:
    seen = Applied()
    follower = ConfigFollower(Layers(), CentralLayer(), "gateway", seen.appliers)
    follower.instance = "one"
    for number, key in enumerate(("log.level@gateway.two", "log.level@storage", "log.level@gateway.one"), 1):
        follower.take(number, follower.plan({key: "debug"}))
    assert seen.levels == ["debug"]


def test_a_proposal_is_judged_with_the_own_file_and_vetoes(tmp_path: Path) -> None:
    seen = Applied()
    layers = Layers({"lease": {"heartbeat_s": 2.0, "lease_s": 10.0}, "data_dir": str(tmp_path)})
    follower = ConfigFollower(layers, CentralLayer(), "gateway", seen.appliers)
    verdict = follower.judge({"log.level": "debug", "lease.probes": 9})
    assert (verdict.refusal, verdict.applied, verdict.pending) == ("", ("log.level",), ("lease.probes",))
    assert seen.levels == []
    assert "lease_s" in follower.judge({"lease.lease_s": 3.0}).refusal  # good over the defaults
    assert "expected the secret main in" in follower.judge({"ctp.password": "secret:main"}).refusal

    def never_five(settings: Settings) -> None:
        if settings.trace.every == 5:
            raise InvalidValue("trace.every", "a number that this service likes", 5)

    seen.appliers.veto(never_five)
    assert follower.judge({"trace.every": 6}).refusal == ""
    assert follower.judge({"trace.every": 5}).refusal == "trace.every: expected a number that this service likes, was 5"


def test_an_applier_that_fails_leaves_everything_as_it_was() -> None:
    seen = Applied()

    def fail(given: Settings) -> None:
        if given.trace.every == 5:
            raise RuntimeError("no room")

    seen.appliers.on("trace.every", fail)
    follower = ConfigFollower(Layers(), CentralLayer(), "gateway", seen.appliers)
    with pytest.raises(RuntimeError, match="no room"):
        take(follower, 1, log__level="debug", trace__every=5)
    assert seen.levels == ["debug", "info"]
    assert follower.standing.version == 0
    assert follower.settings == Settings()


def test_a_process_starts_with_the_first_layer_that_it_can_take() -> None:
    good, bad = CentralLayer(4, {"trace.every": 5}), CentralLayer(5, {"trace.every": "often"})
    follower = follower_of(Layers(), "gateway", Appliers(), bad, good)
    assert follower.settings.trace.every == 5
    assert follower.standing.version == 4
    assert follower.standing.refusal.startswith("version 5: setting trace.every: ")
    follower = follower_of(Layers(), "gateway", Appliers(), bad)
    assert (follower.settings, follower.standing.version) == (Settings(), 0)
    assert follower_of(Layers(), "gateway", Appliers()).standing == (0, (), (), "")


def test_what_a_later_version_of_ours_has_stored_is_left_alone() -> None:
    follower = ConfigFollower(Layers(), CentralLayer(1, {"nats.url": "nats://elsewhere"}), "gateway", Appliers())
    assert follower.settings.nats.url is None


def test_only_what_applies_at_once_has_an_applier() -> None:
    with pytest.raises(ConfigurationError, match=r"setting lease.probes: expected one of mode live, was restart"):
        Appliers().on("lease.probes", lambda _: None)


@pytest.mark.parametrize("text", ["", "{", '{"version": "x"}', "[]", "\xff"])
def test_a_copy_that_is_none_is_no_reason_to_end(text: str, tmp_path: Path) -> None:
    copy = LastGood.of(tmp_path, "gateway")
    assert copy.read() is None
    copy.path.parent.mkdir()
    copy.path.write_text(text, encoding="latin-1")
    assert copy.read() is None
    layer = CentralLayer(3, {"trace.every": 5, "venue.kinds": ["trade"]})
    copy.write(layer)
    assert copy.read() == layer
    assert copy.path.stat().st_mode & 0o777 == 0o600
