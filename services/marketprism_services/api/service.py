"""The API gateway: HTTP for those outside, over the services inside."""

from __future__ import annotations

from aiohttp import web

from marketprism_sdk.messaging import REGISTRY, Discovery
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.service import Service, ServiceSettings
from marketprism_services.api.access.front import AccessFront
from marketprism_services.api.backends import Backend, QueryBackend
from marketprism_services.api.client_calls import ClientApi
from marketprism_services.api.computing import yield_often
from marketprism_services.api.console import ConsoleFiles
from marketprism_services.api.documents import DocumentsApi
from marketprism_services.api.door import Authenticate, Door, is_of_this_machine
from marketprism_services.api.endpoint import Endpoint
from marketprism_services.api.newest_ticks import NewestTicks
from marketprism_services.api.older.api import AliasApi
from marketprism_services.api.operate.commands import CommandsApi
from marketprism_services.api.operate.dead_letters import DeadLettersApi
from marketprism_services.api.operate.events import EventsApi
from marketprism_services.api.operate.inspection import Inspector
from marketprism_services.api.operate.instances import InstancesApi
from marketprism_services.api.operate.rules import RulesApi
from marketprism_services.api.operate.stored import StoredApi
from marketprism_services.api.operate.system import SystemApi
from marketprism_services.api.operate.system_view import SystemView
from marketprism_services.api.published.api import PublishedApi
from marketprism_services.api.published.calls import PublishedCalls
from marketprism_services.api.published.following import Followers
from marketprism_services.api.published.interfaces import Interfaces
from marketprism_services.api.read.books import BookApi
from marketprism_services.api.read.newest import NewestApi
from marketprism_services.api.read.routes import ReadApi
from marketprism_services.api.read.streaming import StreamApi as DocumentStreams
from marketprism_services.api.stream.api import StreamApi
from marketprism_services.api.stream.settings import StreamSettings
from marketprism_services.settings.api import ApiSettings

_MONITOR_S = 5.0


class ApiService(Service):
    """Answers `/api/v1/…`: whoever asks is let in or not, and the services in the registry are asked over NATS.

    It keeps nothing: any number of instances stand behind any balancer.
    """

    def __init__(
        self,
        connection: NatsConnection,
        intervals: tuple[str, ...],
        api: ApiSettings | None = None,
        *,
        authenticate: Authenticate | None = None,
        version: str = "0",
        settings: ServiceSettings | None = None,
    ) -> None:
        super().__init__("api", connection, version=version, settings=settings)
        self._api = api or ApiSettings()
        self.discovery = Discovery(NatsKeyValue.existing(connection, REGISTRY))
        self.query = Backend("query", self.calls, self.discovery, self.metrics, self._api.backend)
        self._reading = QueryBackend(self.query)
        self._newest = NewestTicks(connection, self._reading.latest_tick, self.metrics)
        replicas = self.settings.replicas
        self.access = AccessFront(connection, self._api, self.instance, replicas, is_of_this_machine, self.metrics)
        asks = authenticate or self.access.authenticate
        self._console = ConsoleFiles()
        self._door = Door(self._api, self.metrics, asks, self._instances, self.access.quotas, self._console.answer)
        self._door.install(self.http.app)
        self.interfaces = Interfaces(self.discovery, self.calls, self.metrics, self._renew)
        self._published_calls = PublishedCalls(self.calls, self.discovery, self.metrics, self._api.backend)
        stream = StreamSettings.of(self._api.stream)
        self.followers = Followers(stream)
        self.published = PublishedApi(
            self.interfaces,
            self.access.auditing,
            lambda endpoint: self._door.guarded(endpoint).handler,
            self._published_calls.ask,
            self.followers,
        )
        self.system = SystemView(connection, self.calls, self.discovery, self._not_served)
        self._inspector = Inspector(connection, self.discovery)
        self._documents = DocumentsApi(version, lambda: self._served, self.published.operations)
        self._intervals = intervals
        self.live = StreamApi(
            connection,
            self.metrics,
            stream,
            self.access.authenticate_text,
            instance=self.instance,
            version=version,
            books=self._reading.orderbook,
            system=self.system.read,
        )
        self._served: list[Endpoint] = []

    def follow(self, api: ApiSettings) -> None:
        """Serve by other settings from now on, as far as they apply at once."""
        self._door.follow(api)

    async def on_start(self) -> None:
        """The registry is followed from here on, and who may come in."""
        yield_often()
        self._console.open = self._api.console
        await self.discovery.start()
        await self.access.start()
        self.interfaces.start()
        await self.live.start()
        self.access.revocations.on_revoked(lambda each: self._end(each.credential or f"user:{each.user}"))
        self.http.check("query", self._query_health)
        self.http.status(self._status)

    async def on_drain(self) -> None:
        """Who listens is told to go elsewhere before the rest ends."""
        self.followers.drain()
        await self.live.drain()

    async def on_stop(self) -> None:
        """Nothing is listened to any more."""
        await self.live.close()
        await self.interfaces.stop()
        await self.system.close()
        await self._newest.close()
        await self.access.stop()
        await self.discovery.stop()

    def endpoints(self) -> list[Endpoint]:
        """Every request that is answered, and what is needed for it."""
        reading = self._reading
        compress = self._door.compress
        documents = DocumentStreams(reading.ask_bulk, self.metrics, self._intervals, self._api, compress)
        return [
            *NewestApi(reading.ask, reading.latest_bars, self._newest.get).endpoints(),
            *BookApi(reading.orderbook).endpoints(),
            *documents.endpoints(),
            *ReadApi(reading.ask, reading.ask_encoded).endpoints(),
            *ClientApi(reading, self._ask_monitor).endpoints(),
            *self.live.endpoints(),
            *self._documents.endpoints(),
            *AliasApi(self.published, reading.ask).endpoints(),
            *self._operating(),
            *self.access.endpoints(),
        ]

    def _operating(self) -> list[Endpoint]:
        """What operators see and do."""
        connection, auditing = self.connection, self.access.auditing
        commands = CommandsApi(connection, self.calls, self.discovery, self.interfaces, auditing)
        found = [
            *SystemApi(self.system).endpoints(),
            *InstancesApi(self._inspector).endpoints(),
            *StoredApi(connection).endpoints(),
            *EventsApi(connection).endpoints(),
            *commands.endpoints(),
            *RulesApi(connection, self.calls, self.discovery, auditing, commands).endpoints(),
            *DeadLettersApi(connection, self.calls, self.discovery, auditing).endpoints(),
        ]
        return [self.access.recorded(each) for each in found]

    def routes(self) -> list[web.RouteDef]:
        """Every endpoint behind the door, and those that other services publish."""
        self._served = self.endpoints()
        self.published.reserve(self._served)
        return [*(self._door.guarded(endpoint) for endpoint in self._served), *self.published.routes()]

    def _renew(self) -> None:
        """Other services have published something else."""
        self.published.renew()
        self._published_calls.keep(self.published.table.services())
        self._documents.renew()

    def _not_served(self) -> list[dict[str, str]]:
        """What others offer and is not taken, and why."""
        requests = [
            {"service": each.service, "why": f"{each.request}: {each.why}".removeprefix(": ")}
            for each in self.published.table.not_served
        ]
        return [*self.interfaces.refused(), *requests]

    async def _ask_monitor(self) -> object:
        return await self.calls.call("monitor", "status", timeout_s=_MONITOR_S)

    def _instances(self) -> int:
        """How many of us share each caller's limit."""
        return max(1, sum(each.status == "active" for each in self.discovery.instances(self.name)))

    def _end(self, of: str) -> None:
        """Close the connections of what is no longer good."""
        self.live.end(of)
        self.followers.end(of)

    async def _query_health(self) -> str:
        if any(each.status == "active" for each in self.discovery.instances("query")):
            return "healthy" if self.query.state == "closed" else f"degraded: its circuit is {self.query.state}"
        return "degraded: no query service is active, what is stored is not answered"

    def _status(self) -> dict[str, object]:
        return {"auth": self._api.auth, "circuits": {"query": self.query.state}}
