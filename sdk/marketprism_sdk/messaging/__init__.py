"""Request and reply, commands, events, discovery."""

from typing import TYPE_CHECKING

from marketprism_sdk.lazy import lazy_names

if TYPE_CHECKING:
    from marketprism_sdk.messaging._balancing import Balancer, EjectionSettings, LeaderClient
    from marketprism_sdk.messaging._bus import DEFAULT_CAPACITY, BusMessage, Handler, Inbox, MessageBus, NatsBus, OnDrop
    from marketprism_sdk.messaging._command_queues import STREAM, Command
    from marketprism_sdk.messaging._commands import (
        DEAD_LETTERS_S,
        DONE,
        DONE_S,
        CommandPolicy,
        CommandReceiver,
        ensure_command_streams,
        send_command,
    )
    from marketprism_sdk.messaging._dead_letters import DEAD_LETTERS, DeadLetter, dead_letters, redrive
    from marketprism_sdk.messaging._events import Event, Events, Mode
    from marketprism_sdk.messaging._registry import REGISTRY, TTL_S, Discovery, InstanceRecord, Registration
    from marketprism_sdk.messaging._rpc import (
        CALL_HEADER,
        DEADLINE_HEADER,
        HEALTH,
        PING,
        TIME_LEFT_HEADER,
        RpcClient,
        RpcServer,
    )
    from marketprism_sdk.messaging._wire_errors import wire_error
else:
    __getattr__ = lazy_names(
        __name__,
        {
            "marketprism_sdk.messaging._balancing": ("Balancer", "EjectionSettings", "LeaderClient"),
            "marketprism_sdk.messaging._bus": (
                "DEFAULT_CAPACITY",
                "BusMessage",
                "Handler",
                "Inbox",
                "MessageBus",
                "NatsBus",
                "OnDrop",
            ),
            "marketprism_sdk.messaging._command_queues": ("STREAM", "Command"),
            "marketprism_sdk.messaging._commands": (
                "DEAD_LETTERS_S",
                "DONE",
                "DONE_S",
                "CommandPolicy",
                "CommandReceiver",
                "ensure_command_streams",
                "send_command",
            ),
            "marketprism_sdk.messaging._dead_letters": ("DEAD_LETTERS", "DeadLetter", "dead_letters", "redrive"),
            "marketprism_sdk.messaging._events": ("Event", "Events", "Mode"),
            "marketprism_sdk.messaging._registry": (
                "REGISTRY",
                "TTL_S",
                "Discovery",
                "InstanceRecord",
                "Registration",
            ),
            "marketprism_sdk.messaging._rpc": (
                "CALL_HEADER",
                "DEADLINE_HEADER",
                "HEALTH",
                "PING",
                "TIME_LEFT_HEADER",
                "RpcClient",
                "RpcServer",
            ),
            "marketprism_sdk.messaging._wire_errors": ("wire_error",),
        },
    )

__all__ = [
    "CALL_HEADER",
    "DEADLINE_HEADER",
    "DEAD_LETTERS",
    "DEAD_LETTERS_S",
    "DEFAULT_CAPACITY",
    "DONE",
    "DONE_S",
    "HEALTH",
    "PING",
    "REGISTRY",
    "STREAM",
    "TIME_LEFT_HEADER",
    "TTL_S",
    "Balancer",
    "BusMessage",
    "Command",
    "CommandPolicy",
    "CommandReceiver",
    "DeadLetter",
    "Discovery",
    "EjectionSettings",
    "Event",
    "Events",
    "Handler",
    "Inbox",
    "InstanceRecord",
    "LeaderClient",
    "MessageBus",
    "Mode",
    "NatsBus",
    "OnDrop",
    "Registration",
    "RpcClient",
    "RpcServer",
    "dead_letters",
    "ensure_command_streams",
    "redrive",
    "send_command",
    "wire_error",
]
