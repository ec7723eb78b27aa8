"""Alerts: does anybody hear them."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

import aiohttp

from marketprism_sdk.errors import reason_of
from marketprism_services.cli.doctor.finding import Finding, ok, warning, wrong
from marketprism_services.settings.notify import NotifySettings

_WITHIN_S = 3.0
_PORTS = {"http": 80, "https": 443}


def places(notify: NotifySettings) -> dict[str, tuple[str, int]]:
    """Where the channels lead that are used, by the name of the channel; those of apprise are not looked at."""
    urls = {
        name: getattr(notify, name).url.reveal()
        for name in ("dingtalk", "feishu", "wecom", "slack", "webhook")
        if getattr(notify, name).is_set
    }
    if notify.telegram.is_set:
        urls["telegram"] = notify.telegram.bot_api
    found = {}
    for name, url in urls.items():
        parts = urlsplit(url)
        found[name] = (parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 443))
    if notify.mail.is_set:
        found["mail"] = (notify.mail.smtp_host, notify.mail.smtp_port)
    return found


async def channels(notify: NotifySettings) -> list[Finding]:
    """Whether there is a channel, and whether each can be reached; nothing is sent."""
    found = places(notify)
    if not found and not notify.apprise.is_set:
        todo = "[notify.dingtalk] url or another; `marketprism alerts test` sends over each"
        return [wrong("channels of alerts", "none is set: nobody is told", "two of different vendors", todo)]
    findings = []
    for name, (host, port) in found.items():
        try:
            async with asyncio.timeout(_WITHIN_S):
                _, writer = await asyncio.open_connection(host, port)
            writer.close()
            findings.append(ok(f"channel {name}", f"{host}:{port} can be reached"))
        except (OSError, TimeoutError) as error:
            todo = "the network from the notifier's machine; `marketprism alerts test`"
            text = f"{host}:{port} cannot be reached: {reason_of(error)}"
            findings.append(wrong(f"channel {name}", text, "reached from here", todo))
    if len(found) + len(notify.apprise.places) == 1:
        todo = "a second channel, and notify.fallback with its name"
        findings.append(warning("channels of alerts", "one alone", "two of different vendors", todo))
    if not notify.deadman_s:
        todo = "notify.deadman_s = 300"
        text = "nobody looks whether Prometheus still tells anything"
        findings.append(warning("dead man's switch", text, "notify.deadman_s set", todo))
    return findings


async def alertmanager(url: str) -> list[Finding]:
    """Whether the Alertmanager answers, where one is named."""
    if not url:
        todo = "give --alertmanager http://host:9093"
        return [warning("Alertmanager", "not asked: no address was given", "an answer", todo)]
    try:
        timeout = aiohttp.ClientTimeout(total=_WITHIN_S)
        ready = f"{url.rstrip('/')}/-/ready"
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(ready) as answer:
            if answer.status == 200:
                return [ok("Alertmanager", f"{url} answers")]
            text = f"{url} answers {answer.status}"
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        text = f"{url} does not answer: {reason_of(error)}"
    return [wrong("Alertmanager", text, "200 of /-/ready", "start it; its log has the reason")]


__all__ = ["alertmanager", "channels", "places"]
