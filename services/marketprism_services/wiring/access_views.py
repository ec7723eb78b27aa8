"""How records of access look to those who ask: without digests, times in nanoseconds UTC."""

from __future__ import annotations

import msgspec

from marketprism_application.access.principal import Principal
from marketprism_application.contracts.access_records import (
    ApiKey,
    AuditRecord,
    Grant,
    RefreshFamily,
    Role,
    Session,
    Signer,
    User,
)


def view_of_user(user: User) -> dict[str, object]:
    """A user without its password."""
    return {
        "id": user.id,
        "display": user.display,
        "subject": user.subject,
        "roles": list(user.roles),
        "entitlements": _grants(user.grants),
        "limits": user.limits,
        "rows_per_day": user.rows_per_day,
        "service": user.is_service,
        "disabled": user.is_disabled,
        "must_change": user.must_change,
        "ts_created": user.ts_created,
        "ts_changed": user.ts_changed,
    }


def view_of_key(key: ApiKey) -> dict[str, object]:
    """A key without its digest."""
    return {
        "id": key.id,
        "name": key.name,
        "owner": key.owner,
        "scopes": None if key.scopes is None else list(key.scopes),
        "entitlements": _grants(key.grants),
        "cidrs": list(key.cidrs),
        "limits": key.limits,
        "rows_per_day": key.rows_per_day,
        "ts_created": key.ts_created,
        "ts_expires": key.ts_expires,
        "ts_revoked": key.ts_revoked,
        "ts_used": key.ts_used,
    }


def view_of_role(role: Role, *, is_built_in: bool) -> dict[str, object]:
    """A role; one that comes with the product cannot be changed."""
    return {
        "id": role.id,
        "scopes": list(role.scopes),
        "entitlements": _grants(role.grants),
        "description": role.description,
        "built_in": is_built_in,
    }


def view_of_session(session: Session, current: str) -> dict[str, object]:
    """A session; its id is no secret, only its cookie is."""
    return {
        "id": session.id,
        "kind": "browser",
        "address": session.address,
        "agent": session.agent,
        "ts_created": session.ts_created,
        "ts_used": session.ts_used,
        "current": session.id == current,
    }


def view_of_family(family: RefreshFamily, current: str) -> dict[str, object]:
    """A login of a program, with its refresh tokens; `key` is what it was begun with, empty for a password."""
    return {
        "id": family.id,
        "kind": "program",
        "key": family.key,
        "address": family.address,
        "ts_created": family.ts_created,
        "ts_used": family.ts_used,
        "ts_expires": family.ts_expires,
        "current": family.id == current,
    }


def view_of_signer(signer: Signer) -> dict[str, object]:
    """A signing key's public half."""
    return {
        "id": signer.id,
        "instance": signer.instance,
        "ts_created": signer.ts_created,
        "ts_expires": signer.ts_expires,
        "public": signer.public.hex(),
    }


def view_of_principal(who: Principal) -> dict[str, object]:
    """Who asks, and what is allowed."""
    seen = [
        {
            "venues": each.venues,
            "symbols": each.symbols,
            "kinds": each.kinds,
            "history_days": each.history_days,
            "delay_s": each.delay_s,
            "depth": each.depth,
        }
        for each in who.entitlements.granted
    ]
    return {
        "id": who.id,
        "kind": who.kind,
        "name": who.name,
        "owner": who.owner,
        "scopes": sorted(who.scopes),
        "entitlements": seen,
        "limits": who.limits,
    }


def view_of_audit(seq: int, record: AuditRecord) -> dict[str, object]:
    """A record of the audit log with its number."""
    return {"seq": seq, **msgspec.structs.asdict(record)}


def _grants(grants: tuple[Grant, ...] | None) -> list[dict[str, object]] | None:
    return None if grants is None else [msgspec.structs.asdict(each) for each in grants]
