"""When a setting applies that is changed centrally: one table, of which nothing is left over."""

from __future__ import annotations

import pytest

from marketprism_services.settings.modes import (
    FIXED,
    LIVE,
    Mode,
    is_secret,
    is_used_by,
    leaves,
    may_hold_secret,
    mode_of,
    why_fixed,
)
from marketprism_services.settings.services import SERVICES
from marketprism_services.settings.settings import Settings
from marketprism_services.settings.shape import type_at

NAMES = {".".join(path) for path in leaves()}
SERVICE_NAMES = {row.name for row in SERVICES}


def test_each_row_of_the_tables_is_a_setting_or_a_section() -> None:
    for row in (*LIVE, *FIXED, *(section for each in SERVICES for section in each.sections)):
        assert type_at(Settings, row.split(".")) is not None, row
    assert set(LIVE) <= NAMES
    assert list(LIVE) == sorted(set(LIVE))


def test_no_setting_is_of_two_modes_and_each_fixed_one_says_why() -> None:
    assert [name for name in LIVE if why_fixed(name)] == []
    for name in NAMES:
        assert (mode_of(name) is Mode.FIXED) == bool(why_fixed(name))
    assert {mode_of(name) for name in NAMES} == set(Mode)


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        ("data_dir", Mode.FIXED),
        ("nats.url", Mode.FIXED),
        ("http.host", Mode.FIXED),
        ("http.gateway", Mode.FIXED),
        ("streams.partitions", Mode.FIXED),
        ("streams.raw.age_s", Mode.FIXED),
        ("bars.grace_s", Mode.FIXED),
        ("rules.z_low", Mode.FIXED),
        ("api.auth", Mode.FIXED),
        ("log.level", Mode.LIVE),
        ("trace.every", Mode.LIVE),
        ("scheduler.most_running", Mode.LIVE),
        ("store.batch_rows", Mode.RESTART),
        ("ctp.password", Mode.RESTART),
        ("lease.lease_s", Mode.RESTART),
    ],
)
def test_the_mode_of_a_setting(name: str, mode: Mode) -> None:
    assert mode_of(name) is mode


def test_of_rules_it_says_where_they_are_changed() -> None:
    assert "marketprism rules" in why_fixed("rules.z_low")


def test_secrets_are_known_by_type_and_by_name() -> None:
    secret = {name for name in NAMES if is_secret(name)}
    assert {"ctp.password", "sopt.auth_code", "notify.mail.smtp_password", "notify.notify_token"} <= secret
    assert "log.level" not in secret
    assert may_hold_secret("notify.webhook.url")
    assert not may_hold_secret("store.batch_rows")


def test_who_uses_a_section() -> None:
    assert is_used_by("notify.quiet_hours", "notifier")
    assert not is_used_by("notify.quiet_hours", "gateway")
    assert is_used_by("trace.every", "gateway")
    assert not is_used_by("trace.every", "storage")
    assert is_used_by("trace.endpoint", "storage")
    assert all(is_used_by("log.level", service) for service in (*SERVICE_NAMES, "another"))
