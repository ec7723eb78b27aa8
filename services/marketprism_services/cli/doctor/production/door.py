"""The HTTP side: who comes in without a log-in, and who hears what is said."""

from __future__ import annotations

import ssl

import aiohttp

from marketprism_sdk.errors import reason_of
from marketprism_services.cli.doctor.finding import Finding, ok, warning, wrong
from marketprism_services.settings.settings import Settings

_PATHS = {"API": "/api/v1/symbols", "users of the API": "/api/v1/access/users", "system page": "/api/v1/system"}
_WITHIN_S = 3.0
_HERE = {"127.0.0.1", "::1", "localhost"}
_ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 (who listens everywhere is asked here)


def settings_of_door(settings: Settings) -> list[Finding]:
    """What the settings say of who is let in."""
    found = []
    if settings.api.auth != "on":
        text = "everybody" if settings.api.auth == "off" else "whoever asks from this machine, a proxy on it included"
        todo = '`marketprism access init`, then api.auth = "on"'
        found.append(wrong("log-in of the API", f"comes in without: {text}", "api.auth = on", todo))
    if settings.http.host not in _HERE and settings.http.tls.cert is None:
        text = f"{settings.http.host}, in clear: keys and sessions can be heard"
        todo = "http.tls.cert and key, or a proxy that speaks TLS and http.host = 127.0.0.1"
        found.append(wrong("HTTP beyond this machine", text, "TLS", todo))
    if "*" in settings.api.cors_origins:
        todo = "name the pages, in full"
        found.append(wrong("api.cors_origins", "every page of the web may ask", "named pages", todo))
    return found or [ok("log-in of the API", "asked of everybody")]


async def asked(settings: Settings) -> list[Finding]:
    """What the API gateway answers to who shows nothing; a warning where none answers here."""
    secure = settings.http.tls.cert is not None
    host = _ANY.get(settings.http.host, settings.http.host)
    base = f"{'https' if secure else 'http'}://{f'[{host}]' if ':' in host else host}:{settings.http.port_of('api')}"
    found: list[Finding] = []
    timeout = aiohttp.ClientTimeout(total=_WITHIN_S)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as session:
            for name, path in _PATHS.items():
                # Names and chain are looked at elsewhere: here it matters who is let in.
                async with session.get(f"{base}{path}", ssl=_unchecked(), allow_redirects=False) as answer:
                    if answer.status == 200:
                        text = f"{path} answers who shows nothing"
                        todo = '`marketprism access init`, then api.auth = "on"'
                        found.append(wrong(f"{name} without log-in", text, "401", todo))
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        text = f"{base} does not answer: {reason_of(error)}"
        return [warning("API without log-in", text, "an answer", "start `marketprism run api`, or look on its machine")]
    return found or [ok("API without log-in", f"{base} refuses who shows nothing")]


def _unchecked() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


__all__ = ["asked", "settings_of_door"]
