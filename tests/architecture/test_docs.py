"""Pages hold together: no link leads nowhere, and what is there in two languages says the same in both."""

from __future__ import annotations

from pathlib import Path

import pytest
from deploy.docs.links import headings, links, slug

from tests.support.pages import ROOT, link_problems, pages, twin_problems, twins
from tests.support.reference.settings import rows

SETTINGS = frozenset(row.name for row in rows())


def _text(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def test_no_link_leads_nowhere() -> None:
    found = pages()
    assert len(found) > 200
    assert [problem for page in found for problem in link_problems(page, _text(page))] == []


def test_pages_of_two_languages_say_the_same() -> None:
    found = twins()
    assert {"docs/index.md", "docs/settings.md", "docs/reference/cli/up.md"} <= {page for page, _ in found}
    assert [
        f"{twin}: {problem}" for page, twin in found for problem in twin_problems(_text(page), _text(twin), SETTINGS)
    ] == []


def test_every_chinese_page_has_its_english_one() -> None:
    chinese = {page for page in pages() if page.startswith("docs/zh/")}
    assert sorted(chinese - {twin for _, twin in twins()}) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[a](none.md)", "docs/a.md: expected a file of the repository, found none at none.md"),
        ("[a](../../../etc/passwd)", "docs/a.md: expected a file of the repository, found none at ../../../etc/passwd"),
        ("[`a` b](b.md#no)", "docs/a.md: expected a heading, found none at b.md#no"),
        ("# Own\n[a](#owm)", "docs/a.md: expected a heading, found none at #owm"),
        ("[a](https//example.org)", "docs/a.md: expected a file of the repository, found none at https//example.org"),
        ("[a](https://example)", "docs/a.md: expected an address, was https://example"),
        (
            "# 标题 a\n[a](#标题-a) [b](b.md#of-b-1) `[no](link)`\n```\n[no](link)\n```\n[e](https://example.org/a?b=1#c)",
            "",
        ),
    ],
)
def test_a_dead_link_is_found(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/b.md").write_text("# B\n## Of `b`\n## Of b\n", encoding="utf-8")
    (tmp_path / "docs/a.md").write_text(text, encoding="utf-8")
    assert list(link_problems("docs/a.md", text, tmp_path)) == ([said] if said else [])


def test_a_chinese_page_that_links_past_its_own_language_is_found(tmp_path: Path) -> None:
    for name in ("b.md", "zh/b.md"):
        (tmp_path / "docs" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "docs" / name).write_text("# B\n", encoding="utf-8")
    said = "docs/zh/a.md: expected a link to docs/zh/b.md, was ../b.md"
    assert list(link_problems("docs/zh/a.md", "[b](../b.md)", tmp_path)) == [said]
    assert list(link_problems("docs/zh/a.md", "[b](b.md)", tmp_path)) == []


_ENGLISH = (
    "# A\n\nSet `nats.url`, or `MARKETPRISM_LANG`; `make run`.\n\n```bash\nmarketprism status  # look\n```\n\n## B\n"
)
_CHINESE = (
    "# 甲\n\n设置 `nats.url`，或 `MARKETPRISM_LANG`；`make run`。\n\n```bash\nmarketprism status  # 看\n```\n\n## 乙\n"
)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("## 乙", "### 乙", ["headings: expected levels [1, 2], was [1, 3]"]),
        (
            "marketprism status",
            "marketprism stats",
            ["code: in English only: marketprism status", "code: in Chinese only: marketprism stats"],
        ),
        ("nats.url", "nats.port", ["settings: in English only: nats.url", "settings: in Chinese only: nats.port"]),
        ("MARKETPRISM_LANG", "LANG", ["variables: in English only: MARKETPRISM_LANG"]),
        ("`make run`", "运行", ["commands: in English only: make run"]),
        ("甲", "丙", []),
    ],
)
def test_what_differs_between_two_languages_is_found(old: str, new: str, said: list[str]) -> None:
    assert list(twin_problems(_ENGLISH, _CHINESE.replace(old, new), SETTINGS)) == said


def test_links_and_headings_are_read_as_code_hosts_do() -> None:
    assert [each.target for each in links('[a `](x)` b](y.md) ![p](q.svg) [f](z(1).md "t")')] == [
        "y.md",
        "q.svg",
        "z(1).md",
    ]
    assert [each.anchor for each in headings("# `a.b` & C\n```\n# no\n```\n## x\n## x\n")] == ["ab--c", "x", "x-1"]
    assert slug("接着读什么？ A_b") == "接着读什么-a_b"
