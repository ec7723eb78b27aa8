"""What is sent means what was written: without comments and idle spaces, the code and the markup are the same."""

from __future__ import annotations

import json
import re
import shutil
import subprocess

import pytest

from marketprism_console.compact import compact, without_comments
from marketprism_console.files import WEB
from marketprism_console.joined import VENDOR, joined

SOURCES = {path.relative_to(WEB).as_posix(): path.read_bytes() for path in sorted(WEB.rglob("*.js"))}
FOLDERS = {
    name: body.decode()
    for name, body in joined({name: without_comments(body).decode() for name, body in SOURCES.items()}).items()
}
_COMPARE = r"""
import { readFileSync } from 'node:fs';
const { parse } = await import(process.argv[1]);
const tree = (source) => JSON.stringify(parse(source, { ecmaVersion: 'latest', sourceType: 'module' }), function (key, value) {
  if (key === 'start' || key === 'end') return undefined;
  if (typeof value === 'bigint') return `${value}n`;
  if (value?.type !== 'TaggedTemplateExpression' || !['html', 'svg'].includes(value.tag.name)) return value;
  const quasis = value.quasi.quasis.map(({ value: { raw } }) => raw.replace(/\n\s*/g, '\n'));
  return { tag: value.tag, quasis, expressions: value.quasi.expressions };
});
const pairs = Object.entries(JSON.parse(readFileSync(0, 'utf8')));
console.log(JSON.stringify(pairs.filter(([, [one, other]]) => tree(one) !== tree(other)).map(([name]) => name)));
"""


def test_lines_of_a_literal_that_is_no_markup_are_left_as_they_are() -> None:
    source = "\n".join(
        [
            "  const a = `one",
            "    two ${b",
            "      + `three",
            "        four`} five",
            "    six`;",
            "  const c = html`<p>",
            "    ${d ? `seven",
            "      eight` : ''} nine",
            "    ten</p>`;",
            r"  const e = /`[/`]\//.test('`') && \"`\" || /* ` */ f / g / `",
            "    eleven \\` \\${",
            "    twelve`;",
            "",
            "  if (h) { i(); } // j `k`",
            "  l = 'm // n'; o = `p // q`; // r",
            "  s = html`<a href=t://u>v</a>`;",
        ]
    ).replace('\\"', '"')
    assert compact(source).rstrip("\n").split("\n") == [
        "const a=`one",
        "    two ${b",
        "+ `three",
        "        four`} five",
        "    six`;const c=html`<p>",
        "${d?`seven",
        "      eight`:''} nine",
        r"ten</p>`;const e=/`[/`]\//.test('`')&&" + '"`"||/* ` */ f / g / `',
        "    eleven \\` \\${",
        "    twelve`;if(h){i();}",
        "l='m // n';o=`p // q`;s=html`<a href=t://u>v</a>`;",
    ]


def test_spaces_that_separate_words_or_signs_of_one_kind_stay() -> None:
    source = "const {\n  a,\n  b: [c] } = await d (e)\nreturn f + +g - -h ? .5 : i / j\nfor (const k of [1]) l = (m) => /[ =] /\n"
    assert compact(source) == (
        "const{a,b:[c]}=await d(e)\nreturn f + +g - -h?.5:i / j\nfor(const k of[1])l=(m)=>/[ =] /\n"
    )


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("a;\nhtml`<pre>\n  b</pre>`", r"line 2: expected an element like <pre> to be on one line"),
        ("html`<textarea rows=2>a\n  b</textarea>`", "line 1: expected an element like <pre>"),
        ("a;\nb = `c", "line 2: expected the literal to end"),
        ("if (a) {", "expected every brace to be closed, 1 were not"),
    ],
)
def test_what_would_be_shown_otherwise_is_refused(source: str, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        compact(source)


@pytest.mark.parametrize("name", sorted(FOLDERS))
def test_of_every_file_only_spaces_and_comments_are_gone(name: str) -> None:
    source = FOLDERS[name]
    sent = compact(source)
    assert len(sent) < len(source)
    rest = _without_spaces(sent)
    for line in source.split("\n"):
        if line.lstrip().startswith("//") and not rest.startswith(_without_spaces(line)):
            continue
        ends = [len(line), *(found.start() for found in re.finditer("//", line))]
        left = next((text for end in ends if rest.startswith(text := _without_spaces(line[:end]))), None)
        assert left is not None, (line, rest[:80])
        rest = rest.removeprefix(left)
    assert rest == ""
    # Beside template literals nothing in the language goes over a line whose beginning counts.
    assert [line for line in source.split("\n") if line.endswith("\\")] == []


def _without_spaces(text: str) -> str:
    return re.sub(r"\s", "", text)


def test_the_parse_trees_of_all_files_are_the_same() -> None:
    """By the parser of the style check, where that is there: nothing of it differs but space within markup."""
    node, modules = shutil.which("node"), WEB.parents[1] / "node_modules/acorn"
    if node is None or not modules.exists():
        pytest.skip("no node, or no console/node_modules: make lint-console")
    pairs = {name: (source, compact(source)) for name, source in FOLDERS.items()}
    pairs["spoiled"] = ("a = `b\n    c`;", "a = `b\nc`;")  # that the comparison sees what it looks for
    done = subprocess.run(
        [node, "--input-type=module", "-e", _COMPARE, str(modules / "dist/acorn.mjs")],
        input=json.dumps(pairs),
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == ["spoiled"]


def test_no_library_is_changed() -> None:
    assert not [name for name in FOLDERS if name.startswith(VENDOR)]
