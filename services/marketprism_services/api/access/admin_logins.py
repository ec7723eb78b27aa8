"""`/api/v1/admin/sessions` and `…/limits`: who is in now, and what each has asked for of what it may."""

from __future__ import annotations

from aiohttp import web

from marketprism_adapters.http.envelope import Stamp, answered, count_of
from marketprism_application.access import granting
from marketprism_application.access.audit import Auditing
from marketprism_application.access.limits import LIMITS, LimitClass
from marketprism_application.access.logins import RefreshFamilies, Sessions
from marketprism_application.access.principal import Principal
from marketprism_application.access.refusals import AccessRefused
from marketprism_application.access.rights import FindRole, of_key, of_user
from marketprism_application.access.row_quotas import RowQuotas
from marketprism_application.access.scopes import Scope
from marketprism_application.contracts.access_records import ApiKey, RefreshFamily, Session, User
from marketprism_application.contracts.failures import Code
from marketprism_application.ports.access_store import AccessStore
from marketprism_services.api.access.bodies import actor_of
from marketprism_services.api.access.login import private
from marketprism_services.api.endpoint import Endpoint, principal_of
from marketprism_services.wiring.access_views import view_of_family, view_of_session


class AdminLoginsApi:
    """The logins of everybody, and the rows that were answered to each today."""

    def __init__(
        self,
        store: AccessStore,
        auditing: Auditing,
        sessions: Sessions,
        families: RefreshFamilies,
        quotas: RowQuotas,
        find_role: FindRole,
    ) -> None:
        self._store = store
        self._auditing = auditing
        self._sessions = sessions
        self._families = families
        self._quotas = quotas
        self._find_role = find_role

    def endpoints(self) -> list[Endpoint]:
        """Lists, and the end of one login."""
        return [
            Endpoint("GET", "/api/v1/admin/sessions", self._list, Scope.ACCESS),
            Endpoint("DELETE", "/api/v1/admin/sessions/{id}", self._end, Scope.ACCESS),
            Endpoint("GET", "/api/v1/admin/limits", self._limits, Scope.ACCESS),
        ]

    async def _list(self, request: web.Request) -> web.Response:
        current = principal_of(request).credential.partition(":")[2]
        found = [{**view_of_session(each, current), "user": each.user} for each in self._sessions.all()]
        found += [{**view_of_family(each, current), "user": each.user} for each in self._families.all()]
        return private(answered(found, count_of(len(found), "session"), Stamp.of(request)))

    async def _end(self, request: web.Request) -> web.Response:
        who, key = principal_of(request), request.match_info["id"]
        session = self._store.get(Session, key)
        found = session or self._store.get(RefreshFamily, key)
        if found is None:
            raise AccessRefused(Code.NOT_FOUND, f"session: expected one that goes on, was {key[:64]!r}")
        user = self._store.get(User, found.user)
        if user is not None and user.id != who.user:
            granting.check_may_change(who, user, self._find_role)
        async with self._auditing.change(actor_of(request, who), "access.session_end", key):
            await (self._store.remove(Session, key) if session is not None else self._families.end(key))
        return private(answered(None, "ended", Stamp.of(request)))

    async def _limits(self, request: web.Request) -> web.Response:
        """The classes, and whoever has a number of rows a day."""
        use = [row for user in self._store.all(User) for row in self._use_of(of_user(user, self._find_role), user.id)]
        for key in self._store.all(ApiKey):
            owner = self._store.get(User, key.owner)
            if owner is not None and not key.ts_revoked:
                rows = self._use_of(of_key(key, owner, self._find_role), owner.id, key.id)
                use += [row for row in rows if row["account"] != f"user-{owner.id}"]
        data = {"classes": [_view_of_class(name, each) for name, each in LIMITS.items()], "use": use}
        return private(answered(data, count_of(len(use), "account"), Stamp.of(request)))

    def _use_of(self, who: Principal, user: str, key: str = "") -> list[dict[str, object]]:
        """What a principal has of rows a day, and how many of them are gone."""
        return [
            {
                "account": quota.account,
                "user": user,
                "key": key,
                "limits": who.limits,
                "per_day": quota.rows,
                "used": self._quotas.used(quota.account),
            }
            for quota in who.quotas
        ]


def _view_of_class(name: str, found: LimitClass) -> dict[str, object]:
    return {
        "name": name,
        "requests_per_s": found.requests.per_second,
        "burst": found.requests.burst,
        "concurrent": found.concurrent,
        "sockets": found.sockets,
        "channels": found.channels,
        "messages_per_s": found.messages_per_s,
        "rows_per_day": found.rows_per_day,
    }
