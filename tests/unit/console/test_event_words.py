"""Every event has its words: a name and a sentence in both languages, of fields that it has."""

from __future__ import annotations

import re
from dataclasses import fields
from typing import Any

import pytest

from marketprism_console.files import WEB
from marketprism_domain.events.registry import EVENTS, ROUTINE
from marketprism_sdk.election import LeaseAcquired, LeaseLost, LeaseReleased, LeaseRenewed

_ENTRY = re.compile(r"(\w+): '((?:[^'\\]|\\.)*)'")
_FIELD = re.compile(r"\{(\w+)\}")
SAID: dict[str, type[Any]] = {
    **EVENTS,
    **{each.__name__: each for each in (LeaseAcquired, LeaseLost, LeaseReleased, LeaseRenewed)},
}


def words_of(language: str) -> dict[str, str]:
    text = (WEB / "events/text.js").read_text(encoding="utf-8")
    _, _, begun = text.partition(f"\n  {language}: {{")
    return dict(_ENTRY.findall(begun.partition("\n  },")[0]))


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_event_has_a_name_and_a_sentence(language: str) -> None:
    words = words_of(language)
    for name, event in SAID.items():
        assert words.get(name), name
        sentence = words.get(f"{name}_says", "")
        assert sentence[-1:] in {".", "。", "}"}, name
        known = {each.name for each in fields(event)}
        assert set(_FIELD.findall(sentence)) <= known, name
        if language == "zh":
            assert re.search(r"[\u4e00-\u9fff]", words[name]), name
    titles = [words[name] for name in EVENTS]
    assert len(set(titles)) == len(titles)


def test_a_sentence_names_the_instrument_and_the_reason_where_there_is_one() -> None:
    for language in ("en", "zh"):
        words = words_of(language)
        for name, event in EVENTS.items():
            wanted = {"venue", "symbol", "reason", "reasons", "cause"} & {each.name for each in fields(event)}
            assert wanted <= set(_FIELD.findall(words[f"{name}_says"])), name


def test_what_the_page_takes_for_routine_is_the_platforms_list() -> None:
    text = (WEB / "events/words.js").read_text(encoding="utf-8")
    (listed,) = re.findall(r"export const ROUTINE = new Set\(\[(.*?)\]\)", text, re.DOTALL)
    assert set(re.findall(r"'(\w+)'", listed)) == ROUTINE
    for each in re.findall(r"const (?:BAD|WARNING) = new Set\(\[(.*?)\]\)", text, re.DOTALL):
        assert set(re.findall(r"'(\w+)'", each)) <= {*SAID, "ShardDisagreed"}
