"""What instances run with, beside one another: a value once, with who has it and from where."""

from __future__ import annotations

import json
from collections.abc import Mapping

from marketprism_application.contracts.config_records import ValueGiven, ValueInForce
from marketprism_services.settings.central import Values, shown, values_for
from marketprism_services.settings.modes import is_used_by
from marketprism_services.settings.secret_references import is_reference
from marketprism_services.settings.settings import Settings

DEFAULT = "default"


def values_in_force(
    given: Mapping[str, Mapping[str, ValueGiven]], defaults: Settings, central: Values
) -> dict[str, list[ValueInForce]]:
    """Of each setting that any instance, `<service>.<instance>`, is given: its values, those of most instances first.
    A secret that is set centrally is its reference."""
    names = sorted({name for of_one in given.values() for name in of_one})
    by_default = shown(defaults, names)
    found: dict[str, list[ValueInForce]] = {}
    for name in names:
        groups: dict[tuple[str, str], ValueInForce] = {}
        for key in sorted(given):
            service, _, instance = key.partition(".")
            if not is_used_by(name, service):
                continue
            one = given[key].get(name) or ValueGiven(by_default[name], DEFAULT)
            reference = values_for(central, service, instance).get(name) if one.layer == "central" else None
            value = reference if is_reference(reference) else one.value
            group = (one.layer, json.dumps(value, sort_keys=True))
            there = groups.get(group, ValueInForce(value, one.layer, ()))
            groups[group] = ValueInForce(value, one.layer, (*there.instances, key))
        found[name] = sorted(groups.values(), key=lambda each: -len(each.instances))
    return found


__all__ = ["values_in_force"]
