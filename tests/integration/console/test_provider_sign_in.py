"""Signing in at an OpenID provider: away from the page, and back to the page that was asked for."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from marketprism_adapters.nats.local_server import choose_port
from marketprism_services.settings.oidc import CALLBACK
from tests.integration.api.oidc_side import Provider
from tests.integration.console.signed_side import Doors, doors, faults
from tests.support.console import viewer

pytestmark = [pytest.mark.xdist_group("desks"), pytest.mark.timeout(180)]
LABEL = "The <b>desk</b>'s login"


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    made = Provider()
    made.start()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory, provider: Provider) -> Iterator[Doors]:
    port = choose_port(0)
    oidc = provider.settings(label=LABEL, redirect_url=f"http://127.0.0.1:{port}{CALLBACK}")
    with doors(tmp_path_factory.mktemp("doors"), http_port=port, oidc=oidc) as found:
        yield found


@pytest.mark.parametrize("language", ["en", "zh"])
def test_who_signs_in_at_the_provider_is_back_on_the_page_that_was_asked_for(
    browser: Browser, at: Doors, provider: Provider, language: str
) -> None:
    provider.user("ann", name="Ann Lee", roles=["desk-quants"])
    with viewer(browser, at.base, language=language) as seen:
        seen.page.route("https://**", lambda route: route.abort())
        seen.page.goto(at.base + "/me?x=1")
        button = seen.page.locator("mp-sign-in a.provider")
        button.wait_for()
        assert LABEL in button.inner_text()
        assert seen.violations() == []
        seen.picture(f"sign-in-provider-{language}")
        button.click()
        seen.page.wait_for_url(f"{provider.issuer}/oauth2/authorize*")
        seen.page.fill("[name=sub]", "ann")
        seen.problems.clear()  # the provider's own page is not ours
        seen.page.click("button:has-text('Authorize')")
        seen.page.wait_for_selector("mp-me-page h1")
        assert seen.page.url == at.base + "/me?x=1"
        seen.settle()
        assert "Ann Lee" in seen.page.locator("#content").inner_text()
        assert not seen.page.get_by_role("heading", name=re.compile("^(Password|密码)$")).count(), "none to change"
        own = [each for each in faults(seen, 401) if provider.issuer not in each]
        assert own == []


def test_who_is_refused_is_back_at_the_form_which_says_why(browser: Browser, at: Doors, provider: Provider) -> None:
    provider.user("eve", name="Eve", roles=["golf"])
    with viewer(browser, at.base) as seen:
        seen.page.route("https://**", lambda route: route.abort())
        alert = seen.page.locator("mp-sign-in [role=alert]:visible")
        for choice, text in (("Deny", "has not let you in"), ("Authorize", "no rights here")):
            seen.page.goto(at.base + "/me?x=1")
            seen.page.locator("mp-sign-in a.provider").click()
            seen.page.wait_for_url(f"{provider.issuer}/oauth2/authorize*")
            seen.page.fill("[name=sub]", "eve")
            seen.page.click(f"button:has-text('{choice}')")
            alert.get_by_text(text).wait_for()
            assert seen.page.url == at.base + ("/me?x=1" if choice == "Authorize" else "/")
            assert seen.violations() == []
        seen.page.reload()
        seen.page.locator("mp-sign-in a.provider").wait_for()
        assert alert.count() == 0
        for status, text in ((503, "does not answer"), (429, "too much to do")):
            seen.page.goto(at.base + f"/me?x=1&sign_in={status}")
            alert.get_by_text(text).wait_for()
            assert seen.page.url == at.base + "/me?x=1"
