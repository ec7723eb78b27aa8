"""What administrators see and do: users, roles, keys, sessions, limits."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from marketprism_application.access.scopes import ROLES, Scope
from marketprism_application.contracts.access_records import ApiKey, Grant, Role, User
from tests.integration.console.signed_side import Doors, doors, enter, faults, signed_in
from tests.support.console import Viewer, viewer

pytestmark = [pytest.mark.xdist_group("desks"), pytest.mark.timeout(240)]
VIEWS = ("users", "roles", "keys", "sessions", "limits")
HOSTILE = "<img src=x onerror=alert(1)> ليفِ =HYPERLINK(0) " + "长" * 80


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doors]:
    with doors(tmp_path_factory.mktemp("doors")) as found:
        yield found


@pytest.fixture(scope="module")
def root(at: Doors) -> User:
    """The one administrator that there is, and something to see beside."""
    only = at.user("admin")
    store = at.gateway.store
    at.run(
        store.write(
            Role(id="night-desk-of-the-whole-house-32", scopes=("md:read",), grants=(Grant(venues=("shfe",)),)), 0
        )
    )
    at.run(store.write(User(id="hostile", roles=("viewer",), display=HOSTILE, grants=(Grant(symbols=("rb*",)),)), 0))
    at.run(
        store.write(
            ApiKey(id="aaaa1111", owner="hostile", digest=b"x", name=HOSTILE, scopes=("md:read",), rows_per_day=7), 0
        )
    )
    return only


def _see(seen: Viewer, at: Doors, view: str) -> None:
    seen.page.goto(f"{at.base}/access?view={view}")
    seen.page.wait_for_selector("#content table")
    seen.settle()


@pytest.mark.long
@pytest.mark.parametrize(("language", "theme", "width"), [("en", "light", 1440), ("zh", "dark", 390)])
def test_every_view_is_right(browser: Browser, at: Doors, root: User, language: str, theme: str, width: int) -> None:
    with signed_in(browser, at, root, "/access", language=language, theme=theme, width=width) as seen:
        for view in VIEWS:
            _see(seen, at, view)
            seen.picture(f"access-{view}-{language}-{theme}-{width}")
            assert seen.too_wide() == [], view
            assert seen.violations() == [], view
        audit = {"en": "Audit log", "zh": "审计日志"}[language]
        assert seen.page.get_by_role("link", name=audit).get_attribute("href") == "/events?tab=audit"
        assert faults(seen) == []


LATE_ROLES = """() => {
  const ask = window.fetch;
  window.fetch = async (asked, ...more) => {
    if (String(asked.url ?? asked).includes('/admin/roles')) await new Promise((come) => setTimeout(come, 1000));
    return ask(asked, ...more);
  };
}"""


def test_a_user_is_made_signs_in_and_is_kept_out(browser: Browser, at: Doors, root: User) -> None:
    with signed_in(browser, at, root, "/me") as seen:
        page = seen.page
        page.evaluate(LATE_ROLES)  # the button is there before them
        page.keyboard.press("g")
        page.keyboard.press("a")
        page.get_by_role("button", name="New user").click()
        page.fill("#user-id", "Ann B")
        page.locator("dialog button.main").click()
        assert not page.evaluate("document.querySelector('#user-id').validity.valid")
        page.fill("#user-id", "li-si")
        page.fill("#user-display", HOSTILE)
        page.check("dialog input[value=quant]")
        assert seen.violations() == []
        page.locator("dialog button.main").click()
        password = page.locator("mp-secret input").input_value()
        page.get_by_role("button", name="Close").click()
        row = page.locator("mp-access-users tr", has=page.get_by_role("rowheader", name="li-si"))
        row.get_by_text("must change the password").wait_for()
        assert HOSTILE in row.inner_text()
        assert password not in page.content()
        with viewer(browser, at.base) as theirs:
            theirs.page.goto(at.base + "/me")
            enter(theirs, "li-si", password)
            for field in ("new", "again"):
                theirs.page.fill(f"#sign-in-{field}", "a better battery")
            theirs.page.press("#sign-in-again", "Enter")
            theirs.page.wait_for_selector("mp-me-page h1")
            row.get_by_role("button", name="New password").click()  # and it is forgotten at once
            page.locator("dialog button.grave").click()
            second = page.locator("mp-secret input").input_value()
            theirs.until("document.querySelector('dialog.sign-in')?.open")
            enter(theirs, "li-si", second)
            theirs.page.wait_for_selector("#sign-in-new")
        page.get_by_role("button", name="Close").click()
        row.get_by_role("button", name="Change li-si").click()
        page.check("dialog input[name=disabled]")
        page.locator("dialog button.main").click()
        page.get_by_role("button", name="Close").click()
        row.get_by_text("kept out").wait_for()
        assert at.run(at.gateway.login(User(id="li-si", roles=()), second)).status == 401
        assert faults(seen) == []


def test_the_last_administrator_stays(browser: Browser, at: Doors, root: User) -> None:
    with signed_in(browser, at, root, "/access") as seen:
        page = seen.page
        row = page.locator("mp-access-users tr", has=page.get_by_text("you", exact=True))
        row.get_by_role("button", name="Remove").click()
        page.locator("dialog button.grave").click()
        page.locator("dialog .failed", has_text="this is the last").wait_for()
        assert "CONFLICT" in page.inner_text("dialog .failed")
        page.keyboard.press("Escape")
        row.get_by_role("button", name="Change").click()
        page.check("dialog input[value=viewer]")
        page.uncheck("dialog input[value=admin]")
        page.locator("dialog button.main").click()
        page.locator("dialog .failed", has_text="this is the last").wait_for()
        assert faults(seen, 409) == []


def test_roles_are_a_matrix_and_own_ones_are_made_and_changed(browser: Browser, at: Doors, root: User) -> None:
    with signed_in(browser, at, root, "/access") as seen:
        page = seen.page
        page.get_by_role("tab", name="Users").focus()
        page.keyboard.press("ArrowRight")
        assert page.evaluate("document.activeElement.id") == "tab-roles"
        assert "view=roles" in page.url
        page.wait_for_selector("table.matrix")
        shown = page.evaluate(
            """() => {
              const [head, ...rows] = [...document.querySelectorAll('table.matrix tr')].map((row) => [...row.children]);
              return Object.fromEntries(head.slice(1).map((cell, at) => [cell.innerText.split('\\n')[0],
                rows.filter((row) => row[at + 1].innerText.includes('●')).map((row) => row[0].querySelector('code').innerText)]));
            }"""
        )
        for role, scopes in ROLES.items():
            assert set(shown[role]) == set(scopes), role
        page.get_by_role("button", name="New role").click()
        page.fill("#role-id", "archivist")
        page.check(f"dialog input[value='{Scope.HISTORY}']")
        page.locator("dialog button.main").click()
        page.get_by_role("button", name="Close").click()
        page.get_by_role("button", name="Change the role archivist").click()
        page.check(f"dialog input[value='{Scope.EXPORT}']")
        page.locator("dialog button.main").click()
        page.get_by_role("button", name="Close").click()
        stored = at.gateway.store.get(Role, "archivist")
        assert stored is not None
        assert set(stored.scopes) == {Scope.HISTORY, Scope.EXPORT}
        page.get_by_role("button", name="Remove the role archivist").click()
        page.locator("dialog button.grave").click()
        page.get_by_role("button", name="Close").click()
        seen.until("!document.querySelector('table.matrix').innerText.includes('archivist')")
        assert faults(seen) == []


def test_a_key_of_somebody_else_is_made_and_a_login_is_ended(browser: Browser, at: Doors, root: User) -> None:
    ann = at.user("quant")
    with signed_in(browser, at, root, "/access?view=keys") as seen, signed_in(browser, at, ann) as theirs:
        page = seen.page
        page.wait_for_selector("mp-access-keys table")
        page.get_by_role("button", name="New key").click()
        page.select_option("#key-owner", ann.id)
        page.get_by_role("button", name="Make the key").click()
        key = page.locator("mp-secret input").input_value()
        assert at.run(at.gateway.ask("GET", "/api/v1/me", key)).data["owner"] == ann.id
        page.get_by_role("button", name="Close").click()
        page.get_by_role("tab", name="Sessions").click()
        page.get_by_label("Find").fill(ann.id)
        rows = page.locator("mp-access-sessions tbody tr")
        seen.until("document.querySelectorAll('mp-access-sessions tbody tr').length === 1")
        rows.get_by_role("button").click()
        page.locator("dialog button.grave").click()
        theirs.until("document.querySelector('dialog.sign-in')?.open", within_s=3)
        assert faults(seen) == []


@pytest.mark.long
def test_thousands_of_users_are_shown_some_hundreds_at_a_time(browser: Browser, at: Doors, root: User) -> None:
    for number in range(450):
        at.run(at.gateway.store.write(User(id=f"many{number}", roles=("viewer",)), 0))
    with signed_in(browser, at, root, "/access?find=many") as seen:
        count = "document.querySelectorAll('mp-access-users tbody tr').length"
        seen.until(f"{count} === 200")
        seen.page.get_by_role("button", name="More rows").click()
        seen.until(f"{count} === 400")
        seen.page.get_by_label("Find").fill("many449")
        seen.until(f"{count} === 1")
        assert "find=many449" in seen.page.url
        assert faults(seen) == []
