"""`up --monitoring`: the Prometheus and Alertmanager that this machine has, and the notifier behind them."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import structlog

from marketprism_adapters.nats.local_server import is_free
from marketprism_adapters.prometheus.local_server import ALERTMANAGER, PROMETHEUS, LocalMonitoringServer, ServerKind
from marketprism_application.errors import LocalServerError
from marketprism_sdk.private_files import private_folder, write_private
from marketprism_services.monitoring import alertmanager, prometheus
from marketprism_services.monitoring.prometheus import USUAL, Addresses, Trust
from marketprism_services.platform.catalogue import NOTIFIER
from marketprism_services.platform.local_servers import ServerWatch, held_port
from marketprism_services.settings.settings import Settings

log = structlog.get_logger()

MONITOR = "monitor"
_NO_KEY = "none"  # where nobody has to log in, any will do


@dataclass(frozen=True, slots=True)
class Monitoring:
    """What was started: addresses that a person opens, None for an Alertmanager that this machine does not have."""

    prometheus: str
    alertmanager: str | None


async def check(settings: Settings) -> None:
    """Before anything is started. Raises LocalServerError: this machine has none of them, or services would not let
    them in."""
    if settings.http.tls.client_ca is not None:
        raise LocalServerError(
            "--monitoring: expected http.tls without client_ca, Prometheus has no certificate to show; run one of your "
            "own with docs/monitoring.md"
        )
    if await asyncio.to_thread(PROMETHEUS.find) is None:
        raise LocalServerError(
            "--monitoring: expected prometheus on PATH, there is none; Debian has it in the packages prometheus and "
            "prometheus-alertmanager"
        )


def with_known_ports(settings: Settings, stack: AsyncExitStack) -> Settings:
    """Of the services that the servers' files name, the port must be known before they listen there."""
    chosen = {name: held_port(stack) for name in (MONITOR, NOTIFIER) if not settings.http.port_of(name)}
    return settings.model_copy(update={"http": settings.http.with_ports(**chosen)})


async def start(settings: Settings, stack: AsyncExitStack, ending: asyncio.Event | None) -> Monitoring:
    """Write their files below the data directory, start them, and watch over them until `stack` is left.

    Raises:
        LocalServerError: one does not start, with its own reason. OSError: the folder cannot be written.
    """
    at = Addresses(
        f"127.0.0.1:{settings.http.port_of(MONITOR)}",
        f"127.0.0.1:{settings.http.port_of(NOTIFIER)}",
        f"127.0.0.1:{_free(USUAL.prometheus, stack)}",
        f"127.0.0.1:{_free(USUAL.alertmanager, stack)}",
        await asyncio.to_thread(_trust, settings),
    )
    folder = settings.data_dir / "monitoring"
    await asyncio.to_thread(_write, folder, at, settings)
    managing: LocalMonitoringServer | None = None
    if await asyncio.to_thread(ALERTMANAGER.find) is None:
        log.warning("monitoring.no_alertmanager", detail="alerts are seen in Prometheus, and reach nobody")
    else:
        managing = await _started(ALERTMANAGER, folder, "alertmanager.yml", at.alertmanager, stack, ending)
    watching = await _started(PROMETHEUS, folder, "prometheus.yml", at.prometheus, stack, ending)
    return Monitoring(watching.url, managing.url if managing is not None else None)


async def _started(
    kind: ServerKind, folder: Path, file: str, address: str, stack: AsyncExitStack, ending: asyncio.Event | None
) -> LocalMonitoringServer:
    name = kind.name.lower()
    port = int(address.rpartition(":")[2])
    server = await LocalMonitoringServer.start(kind, folder / name / "run", folder / name / file, port)
    stack.push_async_callback(server.stop)
    watch = ServerWatch(server, server.probe, ending=ending)
    stack.push_async_callback(watch.stop)
    await watch.start()
    await asyncio.to_thread(write_private, folder / name / "url", server.url)
    return server


def _trust(settings: Settings) -> Trust | None:
    """The services' own certificate, whoever signed it: Prometheus reads the file anew when it is renewed."""
    cert = settings.http.tls.cert
    return None if cert is None else Trust(str(cert.absolute()), _name_of(cert))


def _name_of(cert: Path) -> str:
    """The first name that it is of, a certificate may well be of none of this machine; empty where that is unknown."""
    try:
        from cryptography import x509  # noqa: PLC0415 (of the extra `server`)
    except ImportError:
        return ""
    try:
        leaf = x509.load_pem_x509_certificates(cert.read_bytes())[0]
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (OSError, ValueError, IndexError, x509.ExtensionNotFound):
        return ""  # services say why they cannot use it
    found = names.get_values_for_type(x509.DNSName) + [str(at) for at in names.get_values_for_type(x509.IPAddress)]
    return found[0].replace("*", "any", 1) if found else ""


def _write(folder: Path, at: Addresses, settings: Settings) -> None:
    texts = {f"prometheus/{name}": text for name, text in prometheus.files(at).items()}
    texts["alertmanager/alertmanager.yml"] = alertmanager.configuration(at)
    texts["alertmanager/secrets/notifier-token"] = settings.notify.notify_token.reveal() or _NO_KEY
    key = folder / "prometheus/secrets/metrics-key"
    for name, text in texts.items():
        private_folder((folder / name).parent)
        write_private(folder / name, text)
    private_folder(key.parent)
    if not key.exists():  # an operator puts a key there where people have to log in
        write_private(key, _NO_KEY)


def _free(usual: str, stack: AsyncExitStack) -> int:
    port = int(usual.rpartition(":")[2])
    return port if is_free(port) else held_port(stack)


__all__ = ["MONITOR", "Monitoring", "check", "start", "with_known_ports"]
