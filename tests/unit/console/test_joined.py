"""Modules of a folder as the one that is sent."""

from __future__ import annotations

from graphlib import CycleError

import pytest

from marketprism_console.joined import joined


def test_what_a_module_exports_is_taken_from_where_it_is_sent() -> None:
    sent = joined(
        {
            "vendor/lit.js": "",
            "shell/app.js": "import { html } from '../vendor/lit.js';\nimport { a as b, C } from '../core/x-y.js';\n\nb(C);",
            "core/x-y.js": "import './z.js';\nexport async function a() {}\nexport class C {}\nexport const D = {\n  a,\n};",
            "core/z.js": "const a = import('../pages/me/page.js');",
            "pages/me/page.js": "const at = new URL('..', import.meta.url);\nexport default 'mp-me';",
        }
    )
    assert sorted(sent) == ["core.js", "pages/me.js", "shell.js"]
    assert sent["core.js"].decode().split("\n") == [
        "const core$z = (() => {",
        "const a = import('./pages/me.js').then((all) => all.pages$me$page);",
        "return {  };",
        "})();",
        "const core$x_y = (() => {",
        "",
        "async function a() {}",
        "class C {}",
        "const D = {",
        "  a,",
        "};",
        "return { a, C, D };",
        "})();",
        "export { core$z, core$x_y };",
        "",
    ]
    assert sent["shell.js"].decode().split("\n")[:5] == [
        "import { core$x_y } from './core.js';",
        "import * as vendor$lit from './vendor/lit.js';",
        "const shell$app = (() => {",
        "const { html } = vendor$lit;",
        "const { a: b, C } = core$x_y;",
    ]
    assert b"new URL('..', new URL('./me/page.js', import.meta.url).href);" in sent["pages/me.js"]
    assert b"return { default: $default };" in sent["pages/me.js"]


@pytest.mark.parametrize(
    "line",
    [
        "export let a = 1;",
        "export { a };",
        "export * from './b.js';",
        "export default function a() {}",
        "import a from './b.js';",
        "import * as a from './b.js';",
        "import { a } from 'lit';",
        "import {",
    ],
)
def test_other_forms_are_refused_with_their_line(line: str) -> None:
    with pytest.raises(ValueError, match=r"core/a\.js, line 2: .* cannot be joined; expected import"):
        joined({"core/a.js": f"\n{line}", "core/b.js": ""})


def test_rings_are_refused() -> None:
    with pytest.raises(CycleError):
        joined({"core/a.js": "import './b.js';", "core/b.js": "import './a.js';"})
    with pytest.raises(CycleError, match=r"parts\.js"):
        joined({"core/a.js": "import '../parts/b.js';", "core/c.js": "", "parts/b.js": "import '../core/c.js';"})
