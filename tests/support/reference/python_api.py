"""`docs/reference/client.md`, `sdk.md`, `backtest.md`: what other programs import, with signatures and docstrings."""

from __future__ import annotations

import enum
import importlib
import inspect
import json
import re
import types
from collections.abc import Iterator, Sequence
from typing import ForwardRef, get_type_hints

from marketprism_client import MarketClient
from tests.support.reference.markdown import code
from tests.support.reference.texts import documented

_MADE = "This page is made of the code by `make docs`."
_LONG = 100
_WIDE = re.compile(
    r"(?:typing|collections\.abc|marketprism_\w+(?:\.\w+)*|pyarrow\.lib|types|datetime|pathlib|decimal)\."
)
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")
_FIELDS_ALONE = ("NamedTuple", "Struct", "BaseModel")


def client_page() -> str:
    """The page: what is imported, and the parts that a client has (`market.history`, `market.live` …)."""
    parts = ["## Parts of a client"]
    for name, member in sorted(vars(MarketClient).items()):
        if isinstance(member, property) and not name.startswith("_"):
            kind = get_type_hints(member.fget)["return"]
            if inspect.isclass(kind) and kind.__module__.startswith("marketprism_client."):
                parts += [
                    f"### market.{name}",
                    *(part for part in _class(name, kind) if not part.startswith("```python\nclass")),
                ]
    return _page("The client", ["marketprism_client"], _CLIENT).rstrip() + f"\n\n{_joined(parts)}"


def sdk_page() -> str:
    """The page."""
    packages = ("service", "election", "partitions", "streams", "messaging", "resilience", "observability", "testing")
    modules = ["marketprism_sdk", *(f"marketprism_sdk.{each}" for each in packages)]
    return _page("The SDK", modules, _SDK)


def backtest_page() -> str:
    """The page."""
    return _page("Strategies and backtests", ["marketprism_backtest"], _BACKTEST)


_CLIENT = """`pip install marketprism`, `import marketprism_client`. Recipes are in the [README](../../README.md), what a field means in
[tables.md](../tables.md), codes of failures in [errors.md](errors.md). `SyncMarketClient` has the methods of `MarketClient` without `await`."""
_SDK = """`marketprism_sdk` is the framework of the services: whatever runs beside them can be made with it
([sdk/README.md](../../sdk/README.md)). What begins with `_` is nobody's outside its package. A name that the first section has is described
there, and only named again in the package that it comes from."""
_BACKTEST = """What a strategy imports, and a run of it in a program or a notebook. How strategies are written and judged is in
[backtests.md](../backtests.md), how they run on what is published in [paper-trading.md](../paper-trading.md); `examples/` has whole ones."""


def _page(title: str, modules: Sequence[str], about: str) -> str:
    parts = [f"# {title}", about, _MADE]
    seen: dict[int, str] = {}
    for name in modules:
        module = importlib.import_module(name)
        parts += [f"## {name}", documented(module.__doc__)]
        for own in sorted(module.__all__, key=lambda each: (each.lower(), each)):
            value = getattr(module, own)
            if id(value) in seen and not isinstance(value, int | str | float):
                parts.append(f"- {code(own)}: see {seen[id(value)]}")
                continue
            seen[id(value)] = code(name)
            parts += _entry(own, value)
    return _joined(parts)


def _joined(parts: Sequence[str]) -> str:
    text = "\n\n".join(part for part in parts if part)
    return re.sub(r"(?m)^(- .*: see .*)\n\n(?=- .*: see )", r"\1\n", text) + "\n"


def _entry(name: str, value: object) -> Iterator[str]:
    yield f"### {name}"
    owner = str(getattr(value, "__module__", "marketprism_"))
    if not owner.startswith("marketprism_"):
        yield f"That of {code(owner.partition('.')[0])}."
    elif inspect.isclass(value):
        yield from _class(name, value)
    elif inspect.isfunction(value):
        yield _block(_signature(name, value))
        yield documented(value.__doc__)
    elif isinstance(value, types.ModuleType):
        yield f"Module {code(value.__name__)}."
        yield documented(value.__doc__)
        yield _block("\n".join(_questions(value)))
    else:
        shown = json.dumps(value) if isinstance(value, str) else repr(value)  # as the formatter writes it
        yield _block(f"{name} = {shown}") if "0x" not in shown and len(shown) <= _LONG else ""


def _questions(module: types.ModuleType) -> Iterator[str]:
    """The classes of a module, as they are called."""
    for name, value in vars(module).items():
        if inspect.isclass(value) and value.__module__ == module.__name__ and not name.startswith("_"):
            yield _signature(name, value)


def _class(name: str, kind: type) -> Iterator[str]:
    bases = [base.__name__ for base in kind.__bases__ if base not in (object, tuple)]
    if issubclass(kind, enum.Enum):
        yield _block(
            "\n".join([f"class {name}({', '.join(bases)})", *(f"    {each.name} = {each.value!r}" for each in kind)])
        )
        yield documented(kind.__doc__)
        return
    protocol = getattr(kind, "_is_protocol", False)
    head = (
        f"class {name}({', '.join(bases)})" if protocol or issubclass(kind, BaseException) else _signature(name, kind)
    )
    yield _block(head)
    own_text = kind.__doc__ or ""
    yield documented(own_text) if not own_text.startswith(f"{kind.__name__}(") else ""
    for member, value in sorted(_members(kind).items()):
        if isinstance(value, property):
            yield f"#### {name}.{member}"
            yield _block(
                f"{member}: {_type(inspect.signature(value.fget).return_annotation)}" if value.fget else member
            )
            yield documented(value.__doc__)
        else:
            function = inspect.unwrap(getattr(kind, member))
            yield f"#### {name}.{member}"
            yield _block(_signature(member, function, method=not isinstance(value, staticmethod)))
            yield documented(function.__doc__)


def _members(kind: type) -> dict[str, object]:
    """Public methods and properties of a class, those of its own bases too."""
    found: dict[str, object] = {}
    for base in reversed(kind.__mro__):
        if base.__module__.startswith("marketprism_"):
            for name, value in vars(base).items():
                callable_ = inspect.isfunction(value) or isinstance(value, classmethod | staticmethod | property)
                if callable_ and not name.startswith("_") and _is_ours(value):
                    found[name] = value
    return found


def _is_ours(value: object) -> bool:
    """Whether it stands in our source, and was not made by a library for a class."""
    inner = value.fget if isinstance(value, property) else getattr(value, "__func__", value)
    return str(getattr(inner, "__module__", "")).startswith("marketprism_")


def _signature(name: str, value: object, *, method: bool = False) -> str:
    """The call of a function or class; its arguments below one another where the line is long."""
    try:
        signature = inspect.signature(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return f"{'class ' if inspect.isclass(value) else ''}{name}"
    given = [each for each in signature.parameters.values() if not (method and each.name in ("self", "cls"))]
    arguments = list(_arguments(given))
    kind = "class " if inspect.isclass(value) else "async def " if inspect.iscoroutinefunction(value) else "def "
    back = _type(signature.return_annotation)
    after = f" -> {back}" if back and not inspect.isclass(value) else ""
    line = f"{kind}{name}({', '.join(arguments)}){after}"
    if len(line) <= _LONG:
        return line
    return "\n".join([f"{kind}{name}(", *(f"    {each}," for each in arguments), f"){after}"])


def _arguments(given: Sequence[inspect.Parameter]) -> Iterator[str]:
    starred = False
    for position, each in enumerate(given):
        if each.kind is inspect.Parameter.VAR_POSITIONAL:
            starred = True
        if each.kind is inspect.Parameter.KEYWORD_ONLY and not starred:
            starred = True
            yield "*"
        mark = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}.get(each.kind, "")
        kind = _type(each.annotation)
        default = "" if each.default is inspect.Parameter.empty else f"{' = ' if kind else '='}{_default(each.default)}"
        yield f"{mark}{each.name}{f': {kind}' if kind else ''}{default}"
        last_alone = each.kind is inspect.Parameter.POSITIONAL_ONLY
        if last_alone and not any(more.kind is inspect.Parameter.POSITIONAL_ONLY for more in given[position + 1 :]):
            yield "/"


def _type(annotation: object) -> str:
    if annotation is inspect.Signature.empty:
        return ""
    if isinstance(annotation, ForwardRef):
        annotation = annotation.__forward_arg__
    text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    return _ADDRESS.sub("", _WIDE.sub("", text))


def _default(value: object) -> str:
    if isinstance(value, enum.Enum):
        return f"{type(value).__name__}.{value.name}"
    if inspect.isclass(value) or inspect.isfunction(value):
        return value.__name__
    text = repr(value)
    return "…" if "0x" in text or len(text) > 60 or text.startswith("<") else text


def _block(text: str) -> str:
    return f"```python\n{text}\n```" if text else ""


__all__ = ["backtest_page", "client_page", "sdk_page"]
