"""How an instance is asked that has a published request: one of those that all work, or whoever leads."""

from __future__ import annotations

from marketprism_sdk.messaging import HTTP, Discovery, InstanceRecord, LeaderClient, RpcClient
from marketprism_sdk.observability import Metrics
from marketprism_services.api.backends import Backend
from marketprism_services.api.published.route_table import Published
from marketprism_services.settings.api import BackendSettings

_LABEL = "published"  # of metrics: names of services that anybody may run are no labels


class PublishedCalls:
    """A backend for each service that has published requests, with a circuit and room of its own."""

    def __init__(self, calls: RpcClient, discovery: Discovery, metrics: Metrics, settings: BackendSettings) -> None:
        self._calls = calls
        self._discovery = discovery
        self._metrics = metrics
        self._settings = settings
        self._backends: dict[str, tuple[Backend, LeaderClient]] = {}

    def keep(self, services: list[str]) -> None:
        """Forget those that have none any more."""
        self._backends = {name: self._backends[name] for name in services if name in self._backends}

    async def ask(self, route: Published, data: bytes) -> bytes:
        """The answer of an instance, as it came; raises as `Backend.call_raw`."""
        service = route.service
        backend, leader = self._of(service)
        idempotent = route.changes_nothing  # of the others nothing says that they may be done twice
        if any(each.single_active for each in self._discovery.instances(service)):
            return await backend.call_leader(
                HTTP, data, leader, idempotent=idempotent, timeout_s=route.declared.timeout_s
            )
        return await backend.call_raw(
            HTTP,
            data,
            idempotent=idempotent,
            timeout_s=route.declared.timeout_s,
            fits=lambda record: _has(record, route),
        )

    def _of(self, service: str) -> tuple[Backend, LeaderClient]:
        found = self._backends.get(service)
        if found is None:
            backend = Backend(service, self._calls, self._discovery, self._metrics, self._settings, label=_LABEL)
            leader = LeaderClient(self._calls, service, wait_s=1.0, known=lambda: self._leader(service))
            found = self._backends[service] = backend, leader
        return found

    def _leader(self, service: str) -> str | None:
        led = [each for each in self._discovery.instances(service) if each.single_active and each.status == "active"]
        return led[0].instance if len(led) == 1 else None  # of several groups the request's own handler knows which


def _has(record: InstanceRecord, route: Published) -> bool:
    return record.interface in route.digests
