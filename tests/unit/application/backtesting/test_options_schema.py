"""The settings of a run as a schema: every option that may be asked for, with values that it takes."""

from __future__ import annotations

import pytest

from marketprism_application.backtesting.options import DEFAULTS, OPTIONS, option_values, options_schema, settings_of


@pytest.mark.parametrize("name", [name for name, each in OPTIONS.items() if each.choices or each.examples])
def test_what_an_option_proposes_can_be_asked_for(name: str) -> None:
    for value in (*OPTIONS[name].choices, *OPTIONS[name].examples):
        settings_of(option_values({name: value}))


def test_the_schema_has_every_setting_of_a_request() -> None:
    properties = options_schema()["properties"]
    assert isinstance(properties, dict)
    assert set(DEFAULTS) - set(properties) == {"fill", "capital", "rolls"}  # fields of a request, and one of files
    assert properties["expiry"] == {
        "type": "string",
        "default": "close",
        "description": OPTIONS["expiry"].text,
        "enum": ["close", "settle", "ignore"],
    }
    assert properties["touch"]["type"] == "boolean"
    assert properties["depth"] == {"type": "integer", "default": 20, "description": OPTIONS["depth"].text}
