"""Request and reply, commands, events, discovery."""

from typing import TYPE_CHECKING

from marketprism_sdk.lazy import lazy_names

if TYPE_CHECKING:
    from marketprism_sdk.messaging._balancing import Balancer, EjectionSettings, LeaderClient
    from marketprism_sdk.messaging._bus import DEFAULT_CAPACITY, BusMessage, Handler, Inbox, MessageBus, NatsBus, OnDrop
    from marketprism_sdk.messaging._command_queues import STREAM, Command
    from marketprism_sdk.messaging._commands import (
        DEAD_LETTERS_S,
        CommandPolicy,
        CommandReceiver,
        ensure_command_streams,
        send_command,
    )
    from marketprism_sdk.messaging._dead_letters import (
        DEAD_LETTERS,
        DeadLetter,
        dead_letter,
        dead_letters,
        discard,
        newest_letters,
        redrive,
    )
    from marketprism_sdk.messaging._events import Event, Events, Mode
    from marketprism_sdk.messaging._interfaces import (
        CHECK_COMMAND,
        HTTP,
        HTTP_PREFIX,
        INTERFACE,
        Caller,
        CommandCheck,
        CommandInterface,
        HttpCall,
        HttpInterface,
        JsonSchema,
        ServiceInterface,
    )
    from marketprism_sdk.messaging._outcomes import DONE, DONE_S, CommandOutcome, outcome_key, outcome_of
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
                "CommandPolicy",
                "CommandReceiver",
                "ensure_command_streams",
                "send_command",
            ),
            "marketprism_sdk.messaging._dead_letters": (
                "DEAD_LETTERS",
                "DeadLetter",
                "dead_letter",
                "dead_letters",
                "discard",
                "newest_letters",
                "redrive",
            ),
            "marketprism_sdk.messaging._events": ("Event", "Events", "Mode"),
            "marketprism_sdk.messaging._interfaces": (
                "CHECK_COMMAND",
                "HTTP",
                "HTTP_PREFIX",
                "INTERFACE",
                "Caller",
                "CommandCheck",
                "CommandInterface",
                "HttpCall",
                "HttpInterface",
                "JsonSchema",
                "ServiceInterface",
            ),
            "marketprism_sdk.messaging._outcomes": (
                "DONE",
                "DONE_S",
                "CommandOutcome",
                "outcome_key",
                "outcome_of",
            ),
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
    "CHECK_COMMAND",
    "DEADLINE_HEADER",
    "DEAD_LETTERS",
    "DEAD_LETTERS_S",
    "DEFAULT_CAPACITY",
    "DONE",
    "DONE_S",
    "HEALTH",
    "HTTP",
    "HTTP_PREFIX",
    "INTERFACE",
    "PING",
    "REGISTRY",
    "STREAM",
    "TIME_LEFT_HEADER",
    "TTL_S",
    "Balancer",
    "BusMessage",
    "Caller",
    "Command",
    "CommandCheck",
    "CommandInterface",
    "CommandOutcome",
    "CommandPolicy",
    "CommandReceiver",
    "DeadLetter",
    "Discovery",
    "EjectionSettings",
    "Event",
    "Events",
    "Handler",
    "HttpCall",
    "HttpInterface",
    "Inbox",
    "InstanceRecord",
    "JsonSchema",
    "LeaderClient",
    "MessageBus",
    "Mode",
    "NatsBus",
    "OnDrop",
    "Registration",
    "RpcClient",
    "RpcServer",
    "ServiceInterface",
    "dead_letter",
    "dead_letters",
    "discard",
    "ensure_command_streams",
    "newest_letters",
    "outcome_key",
    "outcome_of",
    "redrive",
    "send_command",
    "wire_error",
]
