"""Bodies of calls and commands as their handlers' types: what fits, and what is said of the rest."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple

import msgspec
import pytest

from marketprism_sdk.errors import CommandRejected, ConfigurationError, RemoteError
from marketprism_sdk.messaging import Command
from marketprism_sdk.service import leader_only
from marketprism_sdk.service._bodies import body_type, decoded
from marketprism_sdk.service._handlers import command_handler, rpc_handler


class Item(msgspec.Struct, frozen=True):
    name: str
    count: Annotated[int, msgspec.Meta(ge=1, le=9)] = 1


@dataclasses.dataclass(frozen=True)
class Order:
    items: tuple[Item, ...] = ()
    changes: Mapping[str, float] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        if len(self.items) > 2:
            raise ValueError("items: expected at most 2, was more")


class StreamPlace(NamedTuple):
    venue: str
    depth: int


@pytest.mark.parametrize(
    ("body", "kind", "found"),
    [
        ({"items": [{"name": "a"}], "changes": {"x": 1}}, Order, Order((Item("a"),), {"x": 1.0})),
        (None, Order, Order()),
        (["okx", 5], StreamPlace, StreamPlace("okx", 5)),
        ({"name": "a", "unknown": 1}, Item, Item("a")),
        (7, int, 7),
        (None, Item | None, None),
    ],
)
def test_a_body_that_fits_is_the_type(body: Any, kind: Any, found: Any) -> None:
    assert decoded(body, kind, "x") == found


@pytest.mark.parametrize(
    ("body", "kind", "field", "text"),
    [
        ({"items": [{"name": 5}]}, Order, "items[0].name", "x: items[0].name: expected str, was int"),
        ({"items": [{"name": "a", "count": 10}]}, Order, "items[0].count", "x: items[0].count: expected int <= 9"),
        ({"changes": {"a": "1"}}, Order, "changes[...]", "x: changes[...]: expected float, was str"),
        ({"items": [{}]}, Order, "items[0].name", "x: items[0].name: expected a value, was none"),
        ({"items": [{"name": "a"}] * 3}, Order, "items", "x: items: expected at most 2, was more"),
        ({}, Item, "name", "x: name: expected a value, was none"),
        (None, Item, "name", "x: name: expected a value, was none"),
        (["okx", "5"], StreamPlace, "depth", "x: depth: expected int, was str"),
        (["okx"], StreamPlace, "", "x: body: expected array of length 2, was 1"),
        ("text", Item, "", "x: body: expected object, was str"),
        (True, int, "", "x: body: expected int, was bool"),
    ],
)
def test_a_body_that_does_not_fit_is_refused_with_the_path_of_its_field(
    body: Any, kind: Any, field: str, text: str
) -> None:
    with pytest.raises(RemoteError) as caught:
        decoded(body, kind, "x")
    assert (caught.value.code, caught.value.message) == ("INVALID_PARAMETER", text)
    assert caught.value.details == {"field": field}


class Handlers:
    """One of each form."""

    async def bare(self, request):  # type: ignore[no-untyped-def]
        return request

    async def anything(self, request: Any) -> Any:
        return request

    async def nothing(self, _: object) -> None: ...

    async def typed(self, item: Item) -> str:
        return item.name

    @leader_only
    async def led(self, item: Item) -> str:
        return item.name

    async def lost(self, item: Nowhere) -> None:  # type: ignore[name-defined] # noqa: F821
        ...

    async def short(self) -> None: ...

    async def both(self, item: Item, given: Command) -> None:
        raise CommandRejected(f"{item.name} of {given.issuer}")

    async def whole(self, given: Command) -> None:
        raise CommandRejected(str(given.body))


def test_a_handler_says_by_its_argument_what_it_takes() -> None:
    handlers = Handlers()
    assert [body_type(each) for each in (handlers.bare, handlers.anything, handlers.nothing)] == [None, None, None]
    assert [body_type(each) for each in (handlers.typed, handlers.led, handlers.whole)] == [Item, Item, Command]
    with pytest.raises(ConfigurationError, match="Nowhere"):
        body_type(handlers.lost)
    with pytest.raises(ConfigurationError, match="expected an argument"):
        body_type(handlers.short)


async def test_calls_get_the_type_or_the_raw_request() -> None:
    handlers = Handlers()
    assert await rpc_handler("m", handlers.typed)({"name": "a"}) == "a"
    for raw in (handlers.bare, handlers.anything):
        assert await rpc_handler("m", raw)({"name": 5}) == {"name": 5}
    with pytest.raises(RemoteError, match="INVALID_PARAMETER: m: name: expected str"):
        await rpc_handler("m", handlers.typed)({"name": 5})


async def test_commands_get_the_type_with_the_command_or_the_command_alone() -> None:
    handlers = Handlers()
    given = Command("C", "operator", "k", 1, {"name": "a"})
    with pytest.raises(CommandRejected, match="a of operator"):
        await command_handler("C", handlers.both)(given)
    with pytest.raises(CommandRejected, match=r"\{'name': 'a'\}"):
        await command_handler("C", handlers.whole)(given)
    with pytest.raises(CommandRejected, match="INVALID_PARAMETER: command C: name: expected str, was int"):
        await command_handler("C", handlers.both)(msgspec.structs.replace(given, body={"name": 5}))
