"""Settings of the OpenID provider by which people may log in."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Self
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from marketprism_domain.errors import InvalidValue
from marketprism_sdk.urls import Secret
from marketprism_services.settings.section import Section

LOGIN, CALLBACK = "/api/v1/auth/oidc/login", "/api/v1/auth/oidc/callback"
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class OidcSettings(Section):
    """An OpenID provider beside passwords and keys; without `issuer` there is none.

    `role_map` says which of our roles a value of the claim is. Whoever comes with a role is a user from then on; where
    it is empty, only those come in whom an administrator has given their subject at the provider.
    """

    issuer: str = Field("", description="who signs: its discovery document is below this URL; empty: no such login")
    client_id: str = Field("", description="as the provider knows this service")
    client_secret: Secret = Field(Secret(""), description="best given as MARKETPRISM_API__OIDC__CLIENT_SECRET")
    redirect_url: str = Field("", description=f"https://…{CALLBACK}, as the provider has it registered")
    login_scopes: tuple[str, ...] = Field(("openid", "profile"), description="what is asked of the provider")
    roles_claim: str = Field("roles", description="the claim that names roles; a.b for b within a")
    role_map: tuple[str, ...] = Field((), description="a value of the claim and our role: mp-admins=admin")
    name_claim: str = Field("name", description="the claim with the name that people read")
    label: str = Field("", max_length=60, description="what a page for logins calls it; empty: the host of issuer")
    token_audience: str = Field("", description="tokens of the provider for this audience count; empty: none does")
    provider_s: float = Field(5.0, gt=0, le=60, description="the provider has so long to answer")

    @property
    def roles(self) -> Mapping[str, str]:
        """Our role of each value of the claim."""
        pairs = (each.rpartition("=") for each in self.role_map)
        return MappingProxyType({value: role for value, _, role in pairs})

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if not self.issuer:
            return self
        _check_url("issuer", self.issuer)
        if self.issuer.endswith("/.well-known/openid-configuration"):
            raise InvalidValue("issuer", "the URL before /.well-known/openid-configuration", self.issuer)
        if not self.client_id and not self.token_audience:
            raise InvalidValue("client_id", "the name of this service at the provider", self.client_id)
        if self.client_id:
            _check_url("redirect_url", self.redirect_url)
            if urlsplit(self.redirect_url).path != CALLBACK:
                raise InvalidValue("redirect_url", f"a URL whose path is {CALLBACK}", self.redirect_url)
            if "openid" not in self.login_scopes:
                raise InvalidValue("login_scopes", "openid among them", self.login_scopes)
        for each in self.role_map:
            value, _, role = each.rpartition("=")
            if not value or not role:
                raise InvalidValue("role_map", "pairs like mp-admins=admin", each)
        return self


def _check_url(field: str, text: str) -> None:
    """Raises InvalidValue: neither https, nor http on this machine."""
    try:
        parts = urlsplit(text)
        good = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
        plain = bool(parts.hostname) and not parts.query and not parts.fragment and "@" not in parts.netloc
    except ValueError:
        good = plain = False
    if not good or not plain:
        raise InvalidValue(field, "https://host/…, or http:// on this machine, without user and query", text)
