"""What each setting means, in English and in Chinese, as people read it beside its name.

`en.toml` is made of the comments of `deploy/config/marketprism.toml` by `make docs`; `zh.toml` is written by hand.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

LANGUAGES = ("en", "zh")
WHY_FIXED = "why_fixed"  # the table of why a setting cannot be set centrally, by the English text


@cache
def meanings(language: str) -> Mapping[str, Mapping[str, str]]:
    """`meanings` by the name of the setting, and `why_fixed`. It reads a file, once."""
    tables: dict[str, dict[str, str]] = tomllib.loads(
        files(__package__).joinpath(f"{language}.toml").read_text("utf-8")
    )
    return tables


def meaning_of(name: str) -> dict[str, str]:
    """What a setting means, by language; empty for one that there is not."""
    found = {language: meanings(language)["meanings"].get(name, "") for language in LANGUAGES}
    return {language: text for language, text in found.items() if text}


def why_fixed_in(why: str) -> dict[str, str]:
    """Why a setting cannot be set centrally, by language; empty where it can."""
    return {"en": why, "zh": meanings("zh")[WHY_FIXED].get(why, why)} if why else {}


__all__ = ["LANGUAGES", "WHY_FIXED", "meaning_of", "meanings", "why_fixed_in"]
