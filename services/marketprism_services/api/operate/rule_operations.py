"""What the API says of the validation rules."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from marketprism_adapters.http.operation import Operation, Schema
from marketprism_application.contracts.failures import Code
from marketprism_services.api.operate.parameters import NoParameters, RulesHistoryParameters
from marketprism_services.api.operate.rules import PATH

TAGS: Mapping[str, str] = {"rules": "What ticks are judged by: seen, changed, and tried on the last hour."}
_OBJECT: Schema = {"type": "object"}
_LIST: Schema = {"type": "array", "items": _OBJECT}
_TEXT: Schema = {"type": "string"}
_WHOLE: Schema = {"type": "integer"}
_NUMBER: Schema = {"type": "number"}
_IF_MATCH: Schema = {
    "name": "If-Match",
    "in": "header",
    "required": True,
    "description": "the version that is changed, as the ETag of GET has it",
    "schema": _TEXT,
    "example": '"1"',
}


def _record(**properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _or_none(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


_VALUES: Schema = {
    "rules": {
        "type": "object",
        "description": "values by the name of the rule, all or only those that are to be others",
        "additionalProperties": {"anyOf": [_NUMBER, {"type": "object", "additionalProperties": _NUMBER}]},
    },
    "restore": _or_none({**_WHOLE, "description": "instead of `rules`: a version of the history"}),
}
_CHANGE: Schema = {
    "type": "object",
    "properties": {**_VALUES, "reason": {**_TEXT, "description": "why, for the history"}},
    "additionalProperties": False,
}
_TRY: Schema = {
    "type": "object",
    "properties": {**_VALUES, "minutes": {**_NUMBER, "exclusiveMinimum": 0, "maximum": 60, "default": 60}},
    "additionalProperties": False,
}
_CHANGED = _or_none(_record(version=_WHOLE, ts=_WHOLE, who=_TEXT, reason=_TEXT))
_ORIGIN: Schema = {"enum": ["default", "settings", "changed"]}
_RULE = _record(
    name=_TEXT,
    value={},
    default={},
    lowest=_NUMBER,
    highest=_NUMBER,
    unit=_TEXT,
    whole={"type": "boolean"},
    by_venue={"type": "boolean"},
    text=_record(en=_TEXT, zh=_TEXT),
    origin=_ORIGIN,
    changed=_CHANGED,
)
_VALIDATORS: Schema = {
    "type": "array",
    "items": _record(instance=_TEXT, version=_or_none(_WHOLE), is_current={"type": "boolean"}, problem=_TEXT),
}
_DECIDED = _record(
    accepted=_WHOLE,
    valid=_WHOLE,
    warned=_WHOLE,
    stale=_WHOLE,
    rejected=_WHOLE,
    rejected_by_reason=_OBJECT,
    warned_by_reason=_OBJECT,
    anomalies=_OBJECT,
    gaps=_OBJECT,
    degraded=_WHOLE,
    mean_score=_or_none(_NUMBER),
)


def operations() -> Iterator[Operation]:
    """The rules in force, their history, a change and a trial."""
    yield Operation(
        PATH,
        "The validation rules in force, with bounds, defaults and where each value comes from.",
        (NoParameters,),
        _record(
            version=_WHOLE,
            origin=_ORIGIN,
            changed=_CHANGED,
            rules={"type": "array", "items": _RULE},
            orders=_LIST,
            validators=_VALIDATORS,
        ),
        tag="rules",
        codes=(Code.UNAVAILABLE,),
        tagged=True,
    )
    yield Operation(
        PATH,
        "Change rules, all of the changes or none; the answer says which validators judge by them.",
        (NoParameters,),
        _record(version=_WHOLE, changes=_OBJECT, validators=_VALIDATORS, behind={"type": "array", "items": _TEXT}),
        tag="rules",
        method="PUT",
        body=_CHANGE,
        codes=(Code.CSRF, Code.ORIGIN, Code.NOT_FOUND, Code.CHANGED, Code.COMMAND_REFUSED, Code.UNAVAILABLE),
        description="412 has the rules in force in its details: somebody else has changed them.",
        later=True,
        listed=(_IF_MATCH,),
    )
    yield Operation(
        f"{PATH}/history",
        "Versions of the rules, newest first: who changed what, when and why.",
        (RulesHistoryParameters,),
        _record(versions=_LIST, before=_or_none(_WHOLE)),
        tag="rules",
        codes=(Code.UNAVAILABLE,),
    )
    yield Operation(
        f"{PATH}/trial",
        "What the last minutes of the raw log would have been under other rules, beside those in force.",
        (NoParameters,),
        _record(
            changes=_OBJECT,
            minutes=_NUMBER,
            is_cut={"type": "boolean"},
            is_as_decided={"type": "boolean"},
            messages=_WHOLE,
            ticks=_WHOLE,
            differing=_WHOLE,
            now=_DECIDED,
            new=_DECIDED,
            by_instrument=_LIST,
            examples=_LIST,
        ),
        tag="rules",
        method="POST",
        body=_TRY,
        codes=(Code.CSRF, Code.ORIGIN, Code.NOT_FOUND, Code.UNAVAILABLE),
        description="Nothing is changed. One trial runs at a time: others are answered 429.",
    )
