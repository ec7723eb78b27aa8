"""Every reason, cause and rule that the platform writes has its words on the page, in both languages."""

from __future__ import annotations

import ast
import inspect
import re

from marketprism_console.files import WEB
from marketprism_domain.ticks import anomalies, gaps, rejections, validation

WORDS = (WEB / "pages/quality/words.js").read_text(encoding="utf-8")
REASONS = {
    value
    for name, value in vars(validation).items()
    if name.isupper() and isinstance(value, str) and not name.startswith("_")
}
# What the detector calls an anomaly, as it stands in its source.
ANOMALIES = {
    str(node.args[0].value)
    for node in ast.walk(ast.parse(inspect.getsource(anomalies)))
    if isinstance(node, ast.Call)
    and getattr(node.func, "id", "") == "anomaly"
    and isinstance(node.args[0], ast.Constant)
}
RULES = set(
    re.findall(
        r'"(present|another|at_least|at_most|between|below|falling|rising|number)"', inspect.getsource(rejections)
    )
)


def missing(text: str, words: set[str]) -> set[str]:
    """Words that do not stand in both dictionaries."""
    return {word for word in words if len(re.findall(rf"\b{word}: '", text)) != 2}


def test_every_reason_and_rule_has_its_words() -> None:
    assert validation.ERRORS | {validation.STALE, validation.OUT_OF_SESSION, validation.MISSING_LAST} == REASONS
    assert len(ANOMALIES) == 4
    assert len(RULES) == 9
    assert missing(WORDS, REASONS | ANOMALIES | RULES) == set()
    assert {rule for rule in RULES if f"'{rule}'" not in WORDS} == set()


def test_every_cause_of_a_gap_has_its_words() -> None:
    text = (WEB / "parts/causes_text.js").read_text(encoding="utf-8")
    ledger = (WEB / "pages/data/ledger.js").read_text(encoding="utf-8")
    causes = {gaps.JOINED, gaps.TRUNCATED, gaps.EXCLUDED, "interrupted", "silence", "missing_trades", "recording_end"}
    assert missing(text, causes) == set()
    assert {cause for cause in causes if f"'{cause}'" not in ledger} == set()
