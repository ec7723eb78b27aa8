"""A strategy by its name, and its parameters by the texts that a command line or a request has."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

from pydantic import ValidationError

from marketprism_application.backtesting.errors import ParameterError, StrategyImportError
from marketprism_application.backtesting.strategy import Parameters, Strategy
from marketprism_application.contracts.nearest import did_you_mean

_SHIPPED = "marketprism_backtest.examples"  # where an installed product has them


def load_strategy(name: str, folder: Path) -> type[Strategy]:
    """The class that `package.module:Class` or `file.py:Class` names, looked for in a folder first.

    Raises:
        StrategyImportError: no such module or class, its import fails (file and line are named), or it is no Strategy.
    """
    place, _, wanted = name.rpartition(":")
    if not place or not wanted.isidentifier():
        raise StrategyImportError(f"strategy: expected package.module:Class, was {name!r}")
    module = _module(place, folder)
    found = getattr(module, wanted, None)
    if found is None:
        known = [each for each, value in vars(module).items() if _is_strategy(value) and value is not Strategy]
        near = did_you_mean(wanted, known)
        raise StrategyImportError(
            f"strategy: expected a class of {place} ({', '.join(known) or 'none'}), was {wanted!r}{near}"
        )
    if not _is_strategy(found):
        raise StrategyImportError(f"strategy: expected a subclass of Strategy, was {wanted} of {place}")
    return found  # type: ignore[no-any-return]


def _is_strategy(value: object) -> bool:
    return inspect.isclass(value) and issubclass(value, Strategy)


def _module(place: str, folder: Path) -> ModuleType:
    path = folder / place
    if place.endswith(".py"):
        return _of_file(path)
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    names = [place]
    if place.partition(".")[0] == "examples":
        _add_checkout()
        names.append(_SHIPPED + place.removeprefix("examples"))
    missing = ""
    for each in names:
        try:
            return importlib.import_module(each)
        except ModuleNotFoundError as error:
            if error.name is None or not each.startswith(error.name):
                raise _broken(place, error) from error
            missing = missing or error.name
        except Exception as error:
            raise _broken(place, error) from error
    raise StrategyImportError(f"strategy: expected a module, there is no {missing} in {folder} or on Python's path")


def _add_checkout() -> None:
    """Where the product runs from its sources, the examples lie beside the folder of its packages."""
    spec = importlib.util.find_spec(_SHIPPED.partition(".")[0])
    if spec is not None and spec.origin is not None:
        root = Path(spec.origin).parents[2]
        if (root / "examples" / "__init__.py").is_file() and str(root) not in sys.path:
            sys.path.append(str(root))


def _of_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise StrategyImportError(f"strategy: expected a file, there is no {path}")
    name = f"strategy_file_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None  # noqa: S101 (the name ends with .py)
    assert spec.loader is not None  # noqa: S101 (as above)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise _broken(str(path), error) from error
    return module


def _broken(place: str, error: Exception) -> StrategyImportError:
    """An import that fails, with the file and line of the strategy's code."""
    if isinstance(error, SyntaxError):
        return StrategyImportError(f"strategy {place}: {error.msg} ({error.filename}:{error.lineno})")
    frames = [each for each in traceback.extract_tb(error.__traceback__) if "importlib" not in each.filename]
    outside = [each for each in frames if "marketprism_application" not in each.filename]
    at = f" ({outside[-1].filename}:{outside[-1].lineno})" if outside else ""
    return StrategyImportError(f"strategy {place}: {type(error).__name__}: {str(error) or 'no text'}{at}")


def parameters_of(strategy: type[Strategy], values: Mapping[str, object]) -> Parameters:
    """The parameters of a strategy. Raises ParameterError: an unknown name, or a value outside its bounds; names the
    path of the schema that forbids it."""
    try:
        return strategy.Params.model_validate(dict(values))
    except ValidationError as error:
        raise ParameterError(_wrong(strategy, error)) from error


def _wrong(strategy: type[Strategy], error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    path = ".".join(str(part) for part in first["loc"])
    known = tuple(strategy.Params.model_fields)
    if first["type"] == "extra_forbidden":
        return f"params.{path}: expected one of {', '.join(known) or 'none'}, was {path!r}{did_you_mean(path, known)}"
    rule = {
        "greater_than_equal": "minimum",
        "less_than_equal": "maximum",
        "greater_than": "exclusiveMinimum",
        "less_than": "exclusiveMaximum",
    }
    where = f"properties.{path}.{rule.get(first['type'], 'type')}"
    return f"params.{path}: {first['msg']}, was {first.get('input')!r} ({where})"
