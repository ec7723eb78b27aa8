"""MarketPrism's service framework: leaders, shards, exactly-once stages, calls, commands, registry, health."""

from marketprism_sdk.bus import BusMessage, MessageBus, NatsBus
from marketprism_sdk.commands import CommandReceiver, dead_letters, redrive, send_command
from marketprism_sdk.election import Election
from marketprism_sdk.errors import SdkError
from marketprism_sdk.lease import LeaseSettings
from marketprism_sdk.lifecycle import run, until_signalled
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.registry import Discovery, InstanceRecord
from marketprism_sdk.rpc import RpcClient
from marketprism_sdk.service import Service, ServiceSettings, command, rpc
from marketprism_sdk.shards import Shards, partition_of
from marketprism_sdk.single_active import SingleActiveService, exclusive
from marketprism_sdk.stage import Output, Processor, Stage, StageSettings

__all__ = [
    "BusMessage",
    "CommandReceiver",
    "Discovery",
    "Election",
    "InstanceRecord",
    "LeaseSettings",
    "MessageBus",
    "NatsBus",
    "NatsConnection",
    "NatsKeyValue",
    "Output",
    "Processor",
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
    "exclusive",
    "partition_of",
    "redrive",
    "rpc",
    "run",
    "send_command",
    "until_signalled",
]
