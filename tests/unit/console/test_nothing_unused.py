"""Nothing in the console's sources is kept that nothing uses: exports, texts, classes of the styles."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from posixpath import dirname, join, normpath
from typing import Final

import pytest

from marketprism_console.compact import without_comments
from marketprism_console.files import WEB

SOURCES: Final = {
    path.relative_to(WEB).as_posix(): path.read_text(encoding="utf-8")
    for path in sorted(WEB.rglob("*.js"))
    if "vendor" not in path.parts
}
CODE: Final = {name: without_comments(source.encode()).decode() for name, source in SOURCES.items()}
# What browser tests look at.
FOR_TESTS: Final = {("core/texts.js", "dictionaries"), ("system/elections.js", "Elections")}
# Words for names that come from the API or from the pages' rows: other tests hold that none is missing.
FROM_ELSEWHERE: Final = {
    "events/text.js",
    "operate/text.js",
    "pages/backtests/stats_text.js",
    "pages/crypto/prices_text.js",
    "pages/text.js",
    "parts/causes_text.js",
    "system/text.js",
}
# Their keys are put together out of more than a template.
BY_STATE: Final = {("parts/action_text.js", "waiting")}


def _resolved(name: str, path: str) -> str:
    return normpath(join(dirname(name), path))


def _imports(name: str) -> Iterator[tuple[str, str]]:
    """Module and name of all that one imports, for its types too."""
    for found in re.finditer(r"^import \{ ([^}]*) \} from '(\.[^']+)'", SOURCES[name], re.MULTILINE):
        for each in found[1].split(", "):
            yield _resolved(name, found[2]), each.split(" as ")[0]
    for found in re.finditer(r"import\('(\.[^']+)'\)\.(\w+)", SOURCES[name]):
        yield _resolved(name, found[1]), found[2]


IMPORTED: Final = {pair for name in SOURCES for pair in _imports(name)}
IMPORTERS: Final = defaultdict[str, set[str]](set)
for _name in SOURCES:
    for _module, _ in _imports(_name):
        IMPORTERS[_module].add(_name)


def _keys(dictionary: str) -> set[str]:
    english = re.search(r"\ben: \{(.*?)\n? *\},? *\n? *zh: \{", dictionary, re.DOTALL)
    assert english is not None
    return {
        quoted or plain for quoted, plain in re.findall(r"(?:^|[,{\n]) *(?:'([^'\n]+)'|(\w+)): (?=['\"`])", english[1])
    }


def test_what_is_exported_is_imported_somewhere() -> None:
    exports = {
        (name, found[1])
        for name, code in CODE.items()
        for found in re.finditer(r"^export (?:async )?(?:function|class|const) (\w+)", code, re.MULTILINE)
    }
    assert len(exports) > 150
    assert exports - IMPORTED - FOR_TESTS == set()


@pytest.mark.parametrize(
    "name", [name for name in CODE if name.endswith("text.js") and name not in FROM_ELSEWHERE and "en:" in CODE[name]]
)
def test_every_text_is_shown_somewhere(name: str) -> None:
    users = IMPORTERS[name] | {
        module for user in IMPORTERS[name] for module, _ in _imports(user) if not module.endswith("text.js")
    }
    code = "\n".join(CODE[user] for user in users if user in CODE)
    templates = re.findall(r"`([^`\s$]*)\$\{[^`{}]*\}([^`\s$]*)`", code)
    unused = {
        key
        for key in _keys(CODE[name])
        if f"'{key}'" not in code
        and (name, key) not in BY_STATE
        and not any((head or tail) and key.startswith(head) and key.endswith(tail) for head, tail in templates)
    }
    assert unused == set()


def test_every_class_of_the_styles_stands_in_a_template() -> None:
    styles = "\n".join(path.read_text(encoding="utf-8") for path in sorted((WEB / "style").glob("*.css")))
    selectors = re.sub(r"\{[^{}]*\}", "{}", re.sub(r"/\*.*?\*/", "", styles, flags=re.DOTALL))
    code = "\n".join(CODE.values())
    numbered = set(re.findall(r"\b(\w+-?)\$\{", code))
    unused = {
        each
        for each in re.findall(r"\.([a-zA-Z][\w-]*)", selectors)
        if each.rstrip("0123456789") not in numbered
        if not re.search(rf"(?<![\w-]){re.escape(each)}(?![\w-])", code)
    }
    assert unused == set()
    elements = set(re.findall(r"(?<![\w.#-])(mp-[\w-]+)", selectors))
    assert {each for each in elements if f"define('{each}'" not in code} == set()
