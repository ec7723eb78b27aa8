"""MarketPrism's service framework: leaders, shards, exactly-once stages, calls, commands, registry, health."""

from marketprism_sdk.election._election import Election
from marketprism_sdk.election._lease import LeaseSettings
from marketprism_sdk.errors import SdkError
from marketprism_sdk.messaging._balancing import Balancer, EjectionSettings, LeaderClient
from marketprism_sdk.messaging._bus import BusMessage, MessageBus, NatsBus
from marketprism_sdk.messaging._commands import CommandPolicy, CommandReceiver, dead_letters, redrive, send_command
from marketprism_sdk.messaging._events import Event, Events
from marketprism_sdk.messaging._registry import Discovery, InstanceRecord
from marketprism_sdk.messaging._rpc import RpcClient
from marketprism_sdk.messaging._wire_errors import wire_error
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.partitions._shards import Shards, partition_of
from marketprism_sdk.resilience import Backoff, Bulkhead, CircuitBreaker, Policy, Priority, RateLimiter, retry
from marketprism_sdk.service._handlers import command, event, rpc
from marketprism_sdk.service._lifecycle import run, until_signalled
from marketprism_sdk.service._service import Service, ServiceSettings
from marketprism_sdk.service._single_active import SingleActiveService, exclusive
from marketprism_sdk.streams._fence import Fence, FencedPublisher, raise_fence
from marketprism_sdk.streams._stage import Output, Processor, Stage, StageSettings

__all__ = [
    "Backoff",
    "Balancer",
    "Bulkhead",
    "BusMessage",
    "CircuitBreaker",
    "CommandPolicy",
    "CommandReceiver",
    "Discovery",
    "EjectionSettings",
    "Election",
    "Event",
    "Events",
    "Fence",
    "FencedPublisher",
    "InstanceRecord",
    "LeaderClient",
    "LeaseSettings",
    "MessageBus",
    "NatsBus",
    "NatsConnection",
    "NatsKeyValue",
    "Output",
    "Policy",
    "Priority",
    "Processor",
    "RateLimiter",
    "RpcClient",
    "SdkError",
    "Service",
    "ServiceSettings",
    "Shards",
    "SingleActiveService",
    "Stage",
    "StageSettings",
    "command",
    "dead_letters",
    "event",
    "exclusive",
    "partition_of",
    "raise_fence",
    "redrive",
    "retry",
    "rpc",
    "run",
    "send_command",
    "until_signalled",
    "wire_error",
]
