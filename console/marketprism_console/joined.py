"""The modules of a folder as one: a browser asks for a dozen files instead of a hundred, and they weigh two thirds.

What a module holds is sent line by line as it is written, but for what `compact.py` leaves out, below the constant that
names it. It stands in a function of its own, so that its names stay its own; what it exports is that function's result,
and others take it from there. Modules must not import each other in a ring, nor must folders.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from posixpath import dirname, join, normpath, relpath
from typing import Final

VENDOR: Final = "vendor/"
_IMPORT = re.compile(r"import (?:\{ (?P<names>[\w$, ]+) \} from )?'(?P<path>\.[^']+)';")
_EXPORT = re.compile(r"export (?=(?:(?:async )?function|class|const) (?P<name>[\w$]+))")
_DEFAULT = re.compile(r"export default (?!(?:async )?function|class)")
_LATER = re.compile(r"\bimport\('(\.[^']+)'\)")
_OWN_ADDRESS = re.compile(r"\bimport\.meta\.url\b")
_OTHER = re.compile(r"(?:import|export)\b")


@dataclass
class _Module:
    """One module: what it imports, and its lines as they stand within the joined one."""

    name: str
    imports: list[str] = field(default_factory=list)
    exports: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    def text(self) -> str:
        head = f"const {constant(self.name)} = (() => {{"
        return "\n".join((head, *self.lines, f"return {{ {', '.join(self.exports)} }};", "})();"))


def joined(sources: Mapping[str, str]) -> dict[str, bytes]:
    """The module of each folder, `core.js` of `core/`, out of all modules but those of the libraries.

    Raises ValueError naming the line where an import or export has another form than the ones that are used here, and
    the modules or folders that import each other in a ring; KeyError where a module that is imported is not there.
    """
    modules = {name: _read(name, source) for name, source in sources.items() if not name.startswith(VENDOR)}
    ordered = TopologicalSorter({name: module.imports for name, module in modules.items()}).static_order()
    folders: dict[str, list[_Module]] = {}
    for name in ordered:
        if name in modules:
            folders.setdefault(place(name), []).append(modules[name])
        else:
            sources[name]  # a library, or a name that is nowhere
    needs = {folder: sorted({each for one in found for each in one.imports}) for folder, found in folders.items()}
    TopologicalSorter({folder: {place(each) for each in names} - {folder} for folder, names in needs.items()}).prepare()
    return {folder: _folder(folder, found, needs[folder]).encode() for folder, found in folders.items()}


def place(name: str) -> str:
    """The file that a module is sent in."""
    return name if name.startswith(VENDOR) else f"{dirname(name)}.js"


def constant(name: str) -> str:
    """What a module's exports are called in the file that it is sent in."""
    return name.removesuffix(".js").replace("/", "$").replace("-", "_")


def imported(source: str, name: str) -> Iterable[str]:
    """What a joined module imports; once it is compact, its lines are not apart any more."""
    return (_resolved(name, match[1]) for match in re.finditer(r"^import .* from '(\.[^']+)';", source, re.MULTILINE))


def _folder(folder: str, modules: list[_Module], needs: list[str]) -> str:
    taken: dict[str, list[str]] = {}
    for each in needs:
        if place(each) != folder:
            taken.setdefault(place(each), []).append(each)
    lines = []
    for other, names in taken.items():
        what = f"* as {constant(other)}" if other.startswith(VENDOR) else f"{{ {', '.join(map(constant, names))} }}"
        lines.append(f"import {what} from '{_relative(other, folder)}';")
    lines += [module.text() for module in modules]
    lines.append(f"export {{ {', '.join(constant(module.name) for module in modules)} }};\n")
    return "\n".join(lines)


def _read(name: str, source: str) -> _Module:
    module = _Module(name)
    own_address = f"new URL('{_relative(name, place(name))}', import.meta.url).href"
    for number, line in enumerate(source.split("\n"), start=1):
        within = _head(module, number, line) if _OTHER.match(line) else line
        within = _LATER.sub(lambda found: _later(name, found[1]), within)
        module.lines.append(_OWN_ADDRESS.sub(own_address, within))
    return module


def _head(module: _Module, number: int, line: str) -> str:
    """A line that begins with `import` or `export`, within the function."""
    if found := _IMPORT.match(line):
        path = _resolved(module.name, found["path"])
        module.imports.append(path)
        names = found["names"]
        return f"const {{ {names.replace(' as ', ': ')} }} = {constant(path)};" if names else ""
    if found := _EXPORT.match(line):
        module.exports.append(found["name"])
        return line[found.end() :]
    if found := _DEFAULT.match(line):
        module.exports.append("default: $default")
        return f"const $default = {line[found.end() :]}"
    if _LATER.match(line) or _OWN_ADDRESS.match(line):
        return line
    raise ValueError(
        f"{module.name}, line {number}: {line!r} cannot be joined; expected import {{ … }} from '…', import '…', "
        "export of a function, class or const with its declaration, or export default"
    )


def _later(name: str, path: str) -> str:
    whole = _resolved(name, path)
    return f"import('{_relative(place(whole), place(name))}').then((all) => all.{constant(whole)})"


def _resolved(of: str, path: str) -> str:
    return normpath(join(dirname(of), path))


def _relative(name: str, of: str) -> str:
    path = relpath(name, dirname(of) or ".")
    return path if path.startswith(".") else f"./{path}"


__all__ = ["VENDOR", "constant", "imported", "joined", "place"]
