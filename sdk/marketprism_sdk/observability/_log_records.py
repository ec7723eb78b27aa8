"""Log lines as records of OpenTelemetry, in the official protobuf."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
    from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

# Numbers of OpenTelemetry's severities: the lowest of each level.
_SEVERITIES = {"debug": 5, "info": 9, "warning": 13, "error": 17, "critical": 21}
_OF_RECORD = ("event", "level", "timestamp", "trace_id", "span_id")  # fields with a place of their own in a record
_INT64 = 2**63


class ExportedLine(NamedTuple):
    """A line to be sent: when it was written, nanoseconds UTC; its level; a JSON object as text, without secrets; and
    the ids in hex of the span in which it was written, empty where there is none."""

    ts: int
    level: str
    text: str
    trace_id: str
    span_id: str


def encode_lines(lines: Sequence[ExportedLine], resource: Mapping[str, object], version: str) -> bytes:
    """The body of a request to `/v1/logs`: the lines as records of one resource.

    The event is the body, the level the severity; every other field is an attribute by its own name.
    """
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (  # noqa: PLC0415 (an extra, and heavy)
        ExportLogsServiceRequest,
    )

    request = ExportLogsServiceRequest()
    of_resource = request.resource_logs.add()
    of_resource.resource.attributes.extend(_pair(name, value) for name, value in resource.items())
    of_scope = of_resource.scope_logs.add()
    of_scope.scope.name, of_scope.scope.version = "marketprism", version
    of_scope.log_records.extend(_record(line, resource) for line in lines)
    return bytes(request.SerializeToString())


def count_refused(answer: bytes) -> int:
    """How many records of a request a collector did not take although it took the request; a body that is none of
    OTLP says nothing."""
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped] # noqa: PLC0415 (an extra)
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (  # noqa: PLC0415
        ExportLogsServiceResponse,
    )

    try:
        return max(0, int(ExportLogsServiceResponse.FromString(answer).partial_success.rejected_log_records))
    except DecodeError:
        return 0


def _record(line: ExportedLine, resource: Mapping[str, object]) -> LogRecord:
    from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, SeverityNumber  # noqa: PLC0415 (an extra, and heavy)

    fields = _fields(line.text)
    record = LogRecord(
        time_unix_nano=line.ts,
        observed_time_unix_nano=line.ts,
        severity_number=SeverityNumber.ValueType(_SEVERITIES.get(line.level, _SEVERITIES["error"])),
        severity_text=line.level,
        body=_value(fields.get("event", line.text)),
        attributes=[_pair(name, value) for name, value in fields.items() if not _has_place(name, value, resource)],
    )
    trace_id = str(fields.get("trace_id", "")) or line.trace_id
    if _is_id(trace_id, 16):
        record.trace_id = bytes.fromhex(trace_id)
        span_id = str(fields.get("span_id", "")) or (line.span_id if trace_id == line.trace_id else "")
        if _is_id(span_id, 8):
            record.span_id = bytes.fromhex(span_id)
            record.flags = 1  # a trace that travels is a sampled one
    return record


def _has_place(name: str, value: object, resource: Mapping[str, object]) -> bool:
    """Whether a field stands elsewhere in the record already, or is what the resource says."""
    match name:
        case "service":
            return resource.get("service.name") == f"marketprism-{value}"
        case "instance":
            return resource.get("service.instance.id") == value
        case _:
            return name in _OF_RECORD


def _fields(text: str) -> Mapping[str, object]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _is_id(text: str, size: int) -> bool:
    try:
        return len(text) == 2 * size and any(bytes.fromhex(text))
    except ValueError:
        return False


def _pair(name: str, value: object) -> KeyValue:
    from opentelemetry.proto.common.v1.common_pb2 import KeyValue  # noqa: PLC0415 (an extra, and heavy)

    return KeyValue(key=_text(name), value=_value(value))


def _value(value: object) -> AnyValue:
    from opentelemetry.proto.common.v1.common_pb2 import (  # noqa: PLC0415 (an extra, and heavy)
        AnyValue,
        ArrayValue,
        KeyValueList,
    )

    match value:
        case None:
            return AnyValue()
        case bool():
            return AnyValue(bool_value=value)
        case int() if -_INT64 <= value < _INT64:
            return AnyValue(int_value=value)
        case float():
            return AnyValue(double_value=value)
        case dict():
            return AnyValue(kvlist_value=KeyValueList(values=[_pair(str(name), each) for name, each in value.items()]))
        case list() | tuple():
            return AnyValue(array_value=ArrayValue(values=map(_value, value)))
        case _:
            return AnyValue(string_value=_text(str(value)))


def _text(text: str) -> str:
    """Protobuf takes no halves of characters."""
    return text.encode("utf-8", "backslashreplace").decode()
