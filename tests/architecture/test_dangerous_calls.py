"""Calls by which what others write becomes code, or a secret leaks: none, or each at a place that is named with its reason."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.sources import nodes_of

ROOT = Path(__file__).parents[2]
FOLDERS = ("domain", "application", "adapters", "services", "sdk", "console", "deploy", "examples")

# By rule: files in which it holds otherwise, and why.
OTHERWISE: dict[str, dict[str, str]] = {
    "unpickles": {
        "services/marketprism_services/backtest/child_given.py": "of its own parent, over a pipe",
        "services/marketprism_services/backtest/child_rank.py": "of its own service, over a pipe",
        "services/marketprism_services/backtest/row_files.py": "of a folder that its parent has made for it",
        "services/marketprism_services/cli/backtest_pool.py": "of its own parent, over a pipe",
        "services/marketprism_services/monitor/trial_worker.py": "of its own parent, over a pipe",
    },
    "calls exec": {
        "sdk/veighna/vnpy_marketprism/making.py": "a loop over names that it has looked at itself, as namedtuple does it",
    },
    "verifies no certificate": {
        "services/marketprism_services/cli/doctor/production/door.py": "it asks for the certificate, to look at it",
        "services/marketprism_services/platform/own_health.py": "it asks itself, over loopback",
    },
    "compares a secret in a time that tells of it": {
        "services/marketprism_services/api/access/login.py": "two stored hashes: whether it was changed meanwhile",
        "services/marketprism_services/cli/doctor/production/secrets.py": "of settings, whose owner asks",
    },
}
_SECRET = ("digest", "secret", "password", "signature", "seal", "csrf", "hmac")
# Names that end like a secret's and are sums of what is no secret: interfaces, files, orders, manifests.
_SUMS = ("digest",)


def found_in(tree: list[ast.AST]) -> Iterator[tuple[str, int]]:
    """Rule and line of what must not be."""
    for node in tree:
        if isinstance(node, ast.Call):
            yield from ((rule, node.lineno) for rule in _of_call(node))
        elif isinstance(node, ast.Compare) and any(isinstance(each, ast.Eq | ast.NotEq) for each in node.ops):
            sides = [node.left, *node.comparators]
            if all(not isinstance(each, ast.Constant) for each in sides) and any(map(_is_given_secret, sides)):
                yield "compares a secret in a time that tells of it", node.lineno
        elif isinstance(node, ast.Attribute) and node.attr in ("CERT_NONE", "_create_unverified_context"):
            yield "verifies no certificate", node.lineno


def _of_call(node: ast.Call) -> Iterator[str]:
    name = _name(node.func)
    given = {each.arg: each.value for each in node.keywords if each.arg}
    if name in ("eval", "exec", "os.system", "os.popen", "tempfile.mktemp", "marshal.loads", "shelve.open"):
        yield f"calls {name}"
    if name in ("pickle.load", "pickle.loads", "pickle.Unpickler"):
        yield "unpickles"
    if name == "yaml.load" and "Safe" not in ast.dump(node) and "BaseLoader" not in ast.dump(node):
        yield "reads YAML that may make objects"
    if _is_true(given.get("shell")):
        yield "gives a shell what it runs"
    if isinstance(given.get("verify"), ast.Constant) and given["verify"].value is False:
        yield "verifies no certificate"
    if name in ("hashlib.md5", "hashlib.sha1") and "usedforsecurity" not in given:
        yield "takes a weak sum without saying that nothing rests on it"
    if name.split(".")[0] == "log" and len(name.split(".")) == 2:
        for argument, value in given.items():
            if argument in ("password", "secret", "token", "api_key", "authorization", "cookie") or _reveals(value):
                yield "logs a secret"


def _reveals(value: ast.expr) -> bool:
    return any(isinstance(each, ast.Attribute) and each.attr == "reveal" for each in ast.walk(value))


def _is_given_secret(node: ast.expr) -> bool:
    name = _name(node).rpartition(".")[2]
    return not name.isupper() and name.lower().endswith(_SECRET) and not name.lower().endswith(_SUMS)


def _is_true(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Constant) and node.value is True


def _name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return f"{_name(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def test_no_dangerous_call_without_a_reason() -> None:
    found, used = [], set()
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            where = str(path.relative_to(ROOT))
            if "node_modules" in where:
                continue
            for rule, line in found_in(list(nodes_of(path))):
                if where in OTHERWISE.get(rule, {}):
                    used.add((rule, where))
                else:
                    found.append(f"{where}:{line}: {rule}")
    assert found == []
    assert used == {(rule, where) for rule, places in OTHERWISE.items() for where in places}


@pytest.mark.parametrize(
    ("code", "rule"),
    [
        ("eval(text)", "calls eval"),
        ("pickle.loads(data)", "unpickles"),
        ("yaml.load(text)", "reads YAML that may make objects"),
        ("yaml.load(text, yaml.Loader)", "reads YAML that may make objects"),
        ("subprocess.run(command, shell=True)", "gives a shell what it runs"),
        ("requests.get(url, verify=False)", "verifies no certificate"),
        ("context.verify_mode = ssl.CERT_NONE", "verifies no certificate"),
        ("hashlib.sha1(data)", "takes a weak sum without saying that nothing rests on it"),
        ("log.info('a.b', password=given)", "logs a secret"),
        ("log.info('a.b', url=settings.url.reveal())", "logs a secret"),
        ("if given.signature == made: pass", "compares a secret in a time that tells of it"),
        ("if password != stored: pass", "compares a secret in a time that tells of it"),
    ],
)
def test_a_dangerous_call_is_found(code: str, rule: str) -> None:
    assert [found for found, _ in found_in(list(ast.walk(ast.parse(code))))] == [rule]


@pytest.mark.parametrize(
    "code",
    [
        "yaml.safe_load(text)",
        "yaml.load(text, yaml.BaseLoader)",
        "hmac.compare_digest(a, b)",
        "if digest == file.digest: pass",
        "if password == '': pass",
        "hashlib.sha1(data, usedforsecurity=False)",
        "log.info('a.b', url=str(url))",
    ],
)
def test_what_is_none_is_not_found(code: str) -> None:
    assert list(found_in(list(ast.walk(ast.parse(code))))) == []
