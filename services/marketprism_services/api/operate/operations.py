"""What the API says of operators' requests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from marketprism_adapters.http.operation import Operation, Schema
from marketprism_application.contracts.failures import Code
from marketprism_sdk.messaging import REGISTRY
from marketprism_services.api.operate.dead_letters import ReasonBody, RowsBody
from marketprism_services.api.operate.parameters import (
    BucketParameters,
    CommandIdParameters,
    CommandParameters,
    EventsParameters,
    InstanceLogsParameters,
    InstanceParameters,
    LetterParameters,
    LettersParameters,
    LogsParameters,
    MessagesParameters,
    NoParameters,
    RowLettersParameters,
    StreamParameters,
)
from marketprism_services.api.operate.system_view import PARTS

TAGS: Mapping[str, str] = {
    "system": "What runs, who leads, how far each is behind, and what has happened.",
    "commands": "Commands to services, as the services themselves declare them, and those that could not be done.",
}
_OBJECT: Schema = {"type": "object"}
_LIST: Schema = {"type": "array", "items": _OBJECT}
_TEXT: Schema = {"type": "string"}
_TEXTS: Schema = {"type": "array", "items": _TEXT}
_NUMBER: Schema = {"type": "integer"}


def _record(**properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _or_none(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


_ROWS: Mapping[str, Schema] = {
    "services": _record(service=_TEXT, instances=_NUMBER, active=_NUMBER, without=_TEXT),
    "instances": _record(
        service=_TEXT,
        instance=_TEXT,
        version=_TEXT,
        group=_TEXT,
        status=_TEXT,
        health=_TEXT,
        reason=_TEXT,
        quiet_s={"type": "number"},
        host=_TEXT,
        pid=_or_none(_NUMBER),
        is_leader=_or_none({"type": "boolean"}),
        epoch=_or_none(_NUMBER),
        ts_started=_NUMBER,
        ts_heartbeat=_NUMBER,
    ),
    "leaders": _record(
        service=_TEXT, group=_TEXT, holder=_TEXT, epoch=_NUMBER, state=_TEXT, age_s=_or_none({"type": "number"})
    ),
    "shards": _record(service=_TEXT, owners=_OBJECT, unowned={"type": "array", "items": _NUMBER}),
    "streams": _record(stream=_TEXT, messages=_NUMBER, bytes=_NUMBER, first_seq=_NUMBER, last_seq=_NUMBER),
    "stores": _OBJECT,
    "alerts": _record(level={"enum": ["error", "warning"]}, kind=_TEXT, what=_TEXT, text=_TEXT),
}
_LAGS = _record(stages=_LIST, partitions=_OBJECT, accepted=_NUMBER, rejected=_OBJECT, bars=_OBJECT)
_PARTS: Mapping[str, Schema] = {
    name: _LAGS if name == "lags" else {"type": "array", "items": _ROWS[name]} for name in PARTS
}
_OUTCOME = _record(
    id=_TEXT,
    status={"enum": ["waiting", "done", "refused", "failed"]},
    service=_TEXT,
    command=_TEXT,
    who=_TEXT,
    ts_asked=_NUMBER,
    ts_ended=_or_none(_NUMBER),
    reason=_TEXT,
    dead_letter=_or_none(_NUMBER),
)
_YES_OR_NO: Schema = {"type": "boolean"}
_LINES: Schema = {
    "type": "array",
    "items": _record(seq=_NUMBER, ts=_NUMBER, level=_TEXT, service=_TEXT, instance=_TEXT, event=_TEXT, fields=_OBJECT),
}
_METRIC = _record(name=_TEXT, labels=_OBJECT, value=_or_none({"type": "number"}), kind=_TEXT, help=_TEXT)
_LETTER = {
    "seq": _NUMBER,
    "service": _TEXT,
    "command": _TEXT,
    "subject": _TEXT,
    "issuer": _TEXT,
    "reason": _TEXT,
    "attempts": _NUMBER,
    "bytes": _NUMBER,
    "ts_dead": _NUMBER,
}
_EVENT = _record(
    stream_seq=_NUMBER,
    name=_TEXT,
    venue=_TEXT,
    symbol=_TEXT,
    source=_TEXT,
    ts_event=_NUMBER,
    event_id=_TEXT,
    data=_OBJECT,
)
_STORED = (Code.NOT_FOUND, Code.NOT_ENTITLED, Code.UNAVAILABLE)
_CHANGE = (Code.CSRF, Code.ORIGIN, Code.NOT_FOUND, Code.CONFLICT, Code.UNAVAILABLE)


def operations() -> Iterator[Operation]:
    """The system, events, commands, dead letters."""
    yield from _system()
    yield from _commands()
    yield from _dead_letters()


def _system() -> Iterator[Operation]:
    yield Operation(
        "/api/v1/system",
        "The whole system: every part that could be read in time, and why the others could not.",
        (NoParameters,),
        _record(
            ts=_NUMBER, missing=_OBJECT, refused=_LIST, **{name: _or_none(schema) for name, schema in _PARTS.items()}
        ),
        tag="system",
        codes=(Code.UNAVAILABLE,),
    )
    for name, schema in _PARTS.items():
        yield Operation(
            f"/api/v1/system/{name}",
            f"Of the system the {name}.",
            (NoParameters,),
            schema,
            tag="system",
            codes=(Code.UNAVAILABLE,),
        )
    yield from _instances()
    yield from _stored()
    yield Operation(
        "/api/v1/events",
        "Events of the last days, newest first.",
        (EventsParameters,),
        _record(events={"type": "array", "items": _EVENT}, before=_or_none(_NUMBER)),
        tag="system",
        codes=(Code.UNAVAILABLE,),
        examples={"limit": 10},
    )


def _instances() -> Iterator[Operation]:
    path, names = "/api/v1/system/instances/{service}/{instance}", {"service": "api", "instance": "desk-1-0a0b"}
    yield Operation(
        path,
        "One instance: its status, its health with reasons, and its metrics.",
        (InstanceParameters,),
        _record(
            service=_TEXT,
            instance=_TEXT,
            version=_TEXT,
            group=_TEXT,
            state=_TEXT,
            ts_started=_NUMBER,
            ts_heartbeat=_NUMBER,
            endpoints=_OBJECT,
            status=_or_none(_OBJECT),
            health=_or_none(_OBJECT),
            metrics=_or_none({"type": "array", "items": _METRIC}),
            missing=_OBJECT,
        ),
        tag="system",
        codes=(Code.NOT_FOUND, Code.UNAVAILABLE),
        examples=names,
        description="Metrics are for who has the scope `metrics:read`; `missing` says why a part is not there.",
    )
    yield Operation(
        f"{path}/logs",
        "Log lines of one instance, of those that it holds in memory.",
        (InstanceLogsParameters,),
        _record(lines=_LINES, after=_NUMBER, more=_YES_OR_NO, missed=_YES_OR_NO, dropped=_NUMBER),
        tag="system",
        codes=(Code.NOT_FOUND, Code.UNAVAILABLE),
        examples=names,
        description="`after` of an answer asks for what comes next; `missed`: some of that is not held any more.",
    )
    yield Operation(
        "/api/v1/logs",
        "Log lines of all instances, by time; `silent` are those that do not answer.",
        (LogsParameters,),
        _record(lines=_LINES, more=_YES_OR_NO, silent=_LIST),
        tag="system",
        codes=(Code.NOT_FOUND, Code.UNAVAILABLE),
        examples={"level": "warning", "limit": 10},
    )


def _stored() -> Iterator[Operation]:
    path = "/api/v1/system/streams/{name}"
    yield Operation(
        path,
        "One stream: its state, the subjects with the most messages, and its consumers with what waits for each.",
        (StreamParameters,),
        _record(
            stream=_TEXT,
            subjects=_TEXTS,
            retention=_TEXT,
            messages=_NUMBER,
            bytes=_NUMBER,
            first_seq=_NUMBER,
            last_seq=_NUMBER,
            subject_count=_NUMBER,
            top_subjects={"type": "array", "items": _record(subject=_TEXT, messages=_NUMBER)},
            consumers={
                "type": "array",
                "items": _record(consumer=_TEXT, pending=_NUMBER, unacknowledged=_NUMBER, delivered_seq=_NUMBER),
            },
        ),
        tag="system",
        codes=(Code.NOT_FOUND, Code.UNAVAILABLE),
        examples={"name": "MARKET_EVENTS"},
    )
    yield Operation(
        f"{path}/messages",
        "Messages of a stream, decoded where their kind is known; reading them takes them from nobody.",
        (MessagesParameters,),
        _record(
            messages={
                "type": "array",
                "items": _record(seq=_NUMBER, subject=_TEXT, ts=_NUMBER, bytes=_NUMBER, kind=_TEXT),
            },
            after_seq=_or_none(_NUMBER),
            first_seq=_NUMBER,
            last_seq=_NUMBER,
            more=_YES_OR_NO,
        ),
        tag="system",
        codes=_STORED,
        examples={"name": "MARKET_EVENTS", "limit": 3},
        description="Those of the market are for who may see every instrument. A message has `data`, or how it begins "
        "(`hex`) and what was `expected`.",
    )
    yield Operation(
        "/api/v1/system/buckets",
        "Buckets that can be looked into.",
        (NoParameters,),
        {
            "type": "array",
            "items": _record(bucket=_TEXT, entries=_NUMBER, bytes=_NUMBER, ttl_s=_or_none({"type": "number"})),
        },
        tag="system",
        codes=(Code.UNAVAILABLE,),
    )
    yield Operation(
        "/api/v1/system/buckets/{name}",
        "Entries of a bucket by key; those of users, keys and sessions are refused.",
        (BucketParameters,),
        _record(
            entries={
                "type": "array",
                "items": _record(key=_TEXT, revision=_NUMBER, ts=_NUMBER, bytes=_NUMBER, kind=_TEXT),
            },
            count=_NUMBER,
            more=_YES_OR_NO,
        ),
        tag="system",
        codes=_STORED,
        examples={"name": REGISTRY, "limit": 3},
    )


def _commands() -> Iterator[Operation]:
    yield Operation(
        "/api/v1/commands",
        "Every command that a service takes now, with the JSON Schema of its arguments.",
        (NoParameters,),
        {
            "type": "array",
            "items": _record(service=_TEXT, command=_TEXT, summary=_TEXT, arguments=_OBJECT, path=_TEXT),
        },
        tag="commands",
        tagged=True,
    )
    yield Operation(
        "/api/v1/commands/{service}/{command}",
        "A command in the name of whoever asks; the answer says what became of it, or 202 that it is not known yet.",
        (CommandParameters,),
        _OUTCOME,
        tag="commands",
        method="POST",
        body=_OBJECT,
        codes=(*_CHANGE, Code.COMMAND_REFUSED),
        examples={"service": "gateway", "command": "ConnectToMarketSource", "wait_s": 0},
        description="`Idempotency-Key` makes of the same request twice one command, for a day.",
        later=True,
    )
    yield Operation(
        "/api/v1/commands/{id}",
        "What became of a command that was given here, or put back, for a day.",
        (CommandIdParameters,),
        _OUTCOME,
        tag="commands",
        codes=(Code.NOT_FOUND, Code.UNAVAILABLE),
        examples={"id": "0" * 32},
    )


def _dead_letters() -> Iterator[Operation]:
    path = "/api/v1/dead-letters"
    yield Operation(
        path,
        "Commands that could not be done, newest first.",
        (LettersParameters,),
        _record(letters={"type": "array", "items": _record(**_LETTER)}, before=_or_none(_NUMBER)),
        tag="commands",
        codes=(Code.UNAVAILABLE,),
    )
    yield Operation(
        f"{path}/{{seq}}",
        "One of them, with its arguments.",
        (LetterParameters,),
        _record(**_LETTER, arguments={}),
        tag="commands",
        codes=(Code.NOT_FOUND, Code.UNAVAILABLE),
        examples={"seq": 1},
    )
    yield Operation(
        f"{path}/{{seq}}/requeue",
        "It goes back onto its queue, under a key of its own.",
        (LetterParameters,),
        _record(seq=_NUMBER, key=_TEXT),
        tag="commands",
        method="POST",
        body=ReasonBody,
        codes=_CHANGE,
        examples={"seq": 1},
    )
    yield Operation(
        f"{path}/{{seq}}",
        "It is thrown away.",
        (LetterParameters,),
        {"type": "null"},
        tag="commands",
        method="DELETE",
        codes=_CHANGE,
        examples={"seq": 1},
    )
    yield Operation(
        f"{path}/rows",
        "Rows that no table took, newest first.",
        (RowLettersParameters,),
        _LIST,
        tag="commands",
        codes=(Code.UNAVAILABLE,),
    )
    yield Operation(
        f"{path}/rows/requeue",
        "Rows go into their tables after all, or say why not.",
        (NoParameters,),
        _record(stored=_NUMBER, refused=_OBJECT),
        tag="commands",
        method="POST",
        body=RowsBody,
        codes=_CHANGE,
    )
