"""Services that run: two of each that is led, so that one takes over from the other."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from marketprism_sdk.errors import SdkError, reason_of
from marketprism_sdk.messaging import REGISTRY, Discovery, InstanceRecord
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_services.cli.doctor.finding import Finding, ok, warning, wrong
from marketprism_services.settings.services import SERVICES, Instances

_PAIR = 2


async def registered(connection: NatsConnection) -> list[Finding]:
    """What the registry has."""
    discovery = Discovery(NatsKeyValue.existing(connection, REGISTRY))
    try:
        await discovery.refresh()
    except SdkError as error:
        return [warning("services", reason_of(error), "a registry", "start the services")]
    return judge(discovery.instances())


def judge(found: Iterable[InstanceRecord]) -> list[Finding]:
    """Whether what a pipeline lacks without is there, and everything that is led is there twice; versions are one."""
    there = sorted(found, key=lambda each: (each.service, each.group))
    findings = []
    running = {each.service for each in there}
    todo = "`marketprism run` it on another machine too"
    for row in SERVICES:
        if row.name not in running:
            if row.without:
                text = f"none runs: {row.without}"
                findings.append(wrong(f"service {row.name}", text, "two instances", todo))
            continue
        of_it = [each for each in there if each.service == row.name]
        for group, members in groupby(of_it, key=lambda each: each.group):
            count = len(list(members))
            name = f"service {row.name}{f' {group}' if group else ''}"
            if count >= _PAIR:
                findings.append(ok(name, f"{count} instances"))
            elif row.instances is Instances.SINGLE_ACTIVE:
                findings.append(wrong(name, "one instance: nobody takes over", "two instances", todo))
            else:
                findings.append(warning(name, "one instance", "two instances", todo))
    versions = sorted({each.version for each in there})
    if len(versions) > 1:
        text = f"{', '.join(versions)} run side by side"
        findings.append(warning("versions that run", text, "one, once an upgrade is done", "docs/upgrading.md"))
    return findings


__all__ = ["judge", "registered"]
