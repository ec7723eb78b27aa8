"""`marketprism access session` and `signer`: logins, and public keys of tokens."""

from __future__ import annotations

import typer

from marketprism_application.contracts.access_records import RefreshFamily, Session, Signer
from marketprism_services.cli.access_desk import AccessDesk, AsJson, Id, at_desk, not_there, show_one, show_rows
from marketprism_services.cli.options import DataDir, NatsUrl, out
from marketprism_services.wiring.access_views import view_of_family, view_of_session, view_of_signer

session = typer.Typer(help="Logins of browsers and of programs.", no_args_is_help=True)
signer = typer.Typer(help="Public keys of access tokens.", no_args_is_help=True)


@session.command("list")
def list_sessions(as_json: AsJson = False, data_dir: DataDir = None, nats_url: NatsUrl = None) -> None:
    """Every login of a browser or a program that is stored."""

    async def work(desk: AccessDesk) -> list[dict[str, object]]:
        return [*map(_view, desk.store.all(Session)), *map(_view, desk.store.all(RefreshFamily))]

    show_rows(at_desk(data_dir, nats_url, work), ("id", "kind", "user", "address", "ts_used"), as_json=as_json)


def _find(desk: AccessDesk, name: str) -> Session | RefreshFamily:
    found = desk.store.get(Session, name) or desk.store.get(RefreshFamily, name)
    if found is None:
        raise not_there("session", name)
    return found


def _view(found: Session | RefreshFamily) -> dict[str, object]:
    seen = view_of_session(found, "") if isinstance(found, Session) else view_of_family(found, "")
    return {**seen, "user": found.user}


@session.command("show")
def show_session(name: Id, data_dir: DataDir = None, nats_url: NatsUrl = None) -> None:
    """Everything of one login, as JSON."""

    async def work(desk: AccessDesk) -> dict[str, object]:
        return _view(_find(desk, name))

    show_one(at_desk(data_dir, nats_url, work))


@session.command("revoke")
def revoke_session(name: Id, data_dir: DataDir = None, nats_url: NatsUrl = None) -> None:
    """End a login of a browser or a program."""

    async def work(desk: AccessDesk) -> None:
        found = _find(desk, name)
        async with desk.auditing.change(desk.actor, "access.session_end", name):
            if isinstance(found, Session):
                await desk.store.remove(Session, name)
            else:
                await desk.store.remove(RefreshFamily, name)

    at_desk(data_dir, nats_url, work)
    out.print(f"session {name} was ended", highlight=False, markup=False)


@signer.command("list")
def list_signers(as_json: AsJson = False, data_dir: DataDir = None, nats_url: NatsUrl = None) -> None:
    """Public keys by which tokens are verified."""

    async def work(desk: AccessDesk) -> list[dict[str, object]]:
        return [view_of_signer(each) for each in desk.store.all(Signer)]

    show_rows(at_desk(data_dir, nats_url, work), ("id", "instance", "ts_created", "ts_expires"), as_json=as_json)


@signer.command("show")
def show_signer(name: Id, data_dir: DataDir = None, nats_url: NatsUrl = None) -> None:
    """Everything of one public key, as JSON."""

    async def work(desk: AccessDesk) -> dict[str, object]:
        found = desk.store.get(Signer, name)
        if found is None:
            raise not_there("signer", name)
        return view_of_signer(found)

    show_one(at_desk(data_dir, nats_url, work))


@signer.command("revoke")
def revoke_signer(name: Id, data_dir: DataDir = None, nats_url: NatsUrl = None) -> None:
    """Refuse every token that was signed with it."""

    async def work(desk: AccessDesk) -> None:
        if desk.store.get(Signer, name) is None:
            raise not_there("signer", name)
        async with desk.auditing.change(desk.actor, "access.signer_revoke", name):
            await desk.store.remove(Signer, name)

    at_desk(data_dir, nats_url, work)
    out.print(f"signing key {name} was taken out", highlight=False, markup=False)
