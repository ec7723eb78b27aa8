"""Passwords, keys and cookies: what is stored says nothing, and what is shown is recognised."""

from __future__ import annotations

import asyncio
import re

import pytest
from argon2 import extract_parameters

from marketprism_adapters.identity.passwords import NOBODYS, Busy, Passwords
from marketprism_adapters.identity.shown_once import (
    csrf_of,
    family_id,
    is_csrf_of,
    is_digest_of,
    key_id,
    new_api_key,
    new_cookie,
    new_password,
    new_refresh_token,
    session_id,
)
from marketprism_application.errors import QueryError


def test_a_key_is_recognised_by_its_digest_alone() -> None:
    made = new_api_key()
    assert re.fullmatch(r"mp_[a-z0-9]{8}_[A-Za-z0-9_-]{43}", made.text)
    assert key_id(made.text) == made.id
    assert is_digest_of(made.digest, made.text)
    assert made.text.encode() not in made.digest
    for other in (made.text[:-1], made.text + " ", " " + made.text, made.text.upper(), made.text + "\n", "mp_", ""):
        assert key_id(other) is None
        assert not is_digest_of(made.digest, other)


def test_refresh_tokens_of_a_family_differ_and_name_it() -> None:
    first = new_refresh_token()
    following = new_refresh_token(first.id)
    assert family_id(first.text) == family_id(following.text) == first.id
    assert first.digest != following.digest
    assert family_id(new_api_key().text) is None


def test_a_session_is_the_digest_of_its_cookie_and_so_is_what_its_page_sends() -> None:
    cookie, other = new_cookie(), new_cookie()
    assert session_id(cookie.text) == cookie.id != cookie.text
    assert session_id(cookie.text + "x") == session_id("") == ""
    assert is_csrf_of(cookie.text, csrf_of(cookie.text))
    for wrong in (csrf_of(other.text), "", cookie.text, "ü", "\udcff"):
        assert not is_csrf_of(cookie.text, wrong)


async def test_a_password_is_verified_and_nobodys_is_nobodys() -> None:
    passwords = Passwords()
    secret = new_password()
    digest = await passwords.digest(secret)
    assert digest.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert await passwords.verify(digest, secret)
    assert not await passwords.verify(digest, secret + "x")
    assert not await passwords.verify("", "")
    assert extract_parameters(NOBODYS) == extract_parameters(digest)  # so that it costs as much from the first time on
    assert not await passwords.verify(NOBODYS, secret)
    assert not await passwords.verify("no digest at all", secret)
    assert not passwords.is_old(digest)
    assert passwords.is_old("$argon2id$v=19$m=8192,t=1,p=1$c2FsdHNhbHRzYWx0$" + "A" * 43)
    for wrong in ("short", "x" * 257):
        with pytest.raises(QueryError, match=r"password: expected 10 to 256 characters, was \d+"):
            passwords.check(wrong)
    passwords.close()


async def test_more_logins_than_can_wait_are_told_to_come_again() -> None:
    passwords = Passwords(threads=1, waiting=2)
    results = await asyncio.gather(*(passwords.verify("", "x") for _ in range(6)), return_exceptions=True)
    assert [type(each) for each in results] == [bool, bool, bool, Busy, Busy, Busy]
    assert not await passwords.verify("", "x")
    passwords.close()
