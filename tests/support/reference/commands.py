"""`docs/reference/cli`: every command with its arguments and options, a page each, in both languages."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import typer

from marketprism_services.cli.app import COMMANDS, LazyCommand
from marketprism_services.cli.language.catalogue import Catalogue
from tests.support.reference.markdown import code, table
from tests.support.reference.texts import paragraphs, plain, shown, texts_of

_MADE = {"en": "This page is made of the code by `make docs`.", "zh": "本页由 `make docs` 根据代码生成。"}
_TITLES = {"en": "All commands", "zh": "全部命令"}
_ABOUT = {
    "en": "`marketprism COMMAND --help` says the same in a terminal. Options stand behind their command, in any order. What a command ends "
    "with is in the list of [exit codes](../errors.md#exit-codes). Messages are English, or Chinese where the locale is "
    "(`MARKETPRISM_LANG=zh`).",
    "zh": "在终端里，`marketprism COMMAND --help` 给出同样的内容。选项写在命令之后，次序不限。命令以什么代码结束，见"
    "[退出码](../../../reference/errors.md#exit-codes)。消息为英文；语言环境是中文时（`MARKETPRISM_LANG=zh`）为中文。",
}
_HEADS = {"en": ("Command", "What it does"), "zh": ("命令", "作用")}
_ARGUMENTS = {"en": ("Argument", "Value", "Default", "Meaning"), "zh": ("参数", "取值", "默认值", "含义")}
_OPTIONS = {"en": ("Option", "Value", "Default", "Meaning"), "zh": ("选项", "取值", "默认值", "含义")}
_WORDS = {
    "en": {"required": "required", "several": " (may be given more than once)", "or": " or "},
    "zh": {"required": "必填", "several": "（可重复给出）", "or": " 或 "},
}
_RANGE = {
    "en": {(True, True): "{0} to {1}", (True, False): "{0} or more", (False, True): "at most {1}"},
    "zh": {(True, True): "{0} 到 {1}", (True, False): "至少 {0}", (False, True): "至多 {1}"},
}
_TYPES = {
    "en": {"int": "whole number", "float": "number", "str": "text", "Path": "path", "bool": "yes or no"},
    "zh": {"int": "整数", "float": "数", "str": "文本", "Path": "路径", "bool": "是或否"},
}


@contextmanager
def _in_english() -> Iterator[None]:
    """Commands are loaded in the language of whoever runs them; the pages translate by themselves."""
    before = os.environ.get("MARKETPRISM_LANG")
    os.environ["MARKETPRISM_LANG"] = "en"
    try:
        yield
    finally:
        if before is None:
            del os.environ["MARKETPRISM_LANG"]
        else:
            os.environ["MARKETPRISM_LANG"] = before


def _loaded(name: str) -> Any:
    row = COMMANDS[name]
    command = LazyCommand(name, row).load()
    later = getattr(import_module(f"marketprism_services.cli.{row.module}"), "HELP", {})
    for each in command.params:
        if each.name in later:
            each.help = later[each.name]()
    return command


def cli_pages() -> dict[str, str]:
    """Every page by its name from `docs`."""
    found: dict[str, str] = {}
    with _in_english():
        commands = {name: _loaded(name) for name in COMMANDS}
    for language, folder in (("en", "reference/cli"), ("zh", "zh/reference/cli")):
        texts = texts_of(language)
        rows = [(f"[`{name}`]({name}.md)", _sentence(row.help, texts)) for name, row in COMMANDS.items()]
        head = f"# {_TITLES[language]}\n\n{_ABOUT[language]}\n\n{_MADE[language]}"
        found[f"{folder}/README.md"] = f"{head}\n\n{table(_HEADS[language], rows)}\n"
        for name, command in commands.items():
            parts = [f"# marketprism {name}", *_body(command, f"marketprism {name}", language), _MADE[language]]
            parts += _subcommands(command, f"marketprism {name}", language, "##")
            found[f"{folder}/{name}.md"] = "\n\n".join(parts) + "\n"
    return found


def _subcommands(command: Any, path: str, language: str, marks: str) -> Iterator[str]:
    for name, inner in getattr(command, "commands", {}).items():
        if not inner.hidden:
            yield f"{marks} {path} {name}"
            yield from _body(inner, f"{path} {name}", language)
            yield from _subcommands(inner, f"{path} {name}", language, marks + "#")


def _body(command: Any, path: str, language: str) -> Iterator[str]:
    texts = texts_of(language)
    yield f"```text\n{_usage(command, path)}\n```"
    if command.help:
        yield paragraphs(command.help, texts)
    for head, kind in ((_ARGUMENTS[language], "argument"), (_OPTIONS[language], "option")):
        rows = [
            _row(each, language, texts)
            for each in command.params
            if each.param_type_name == kind and not each.hidden and each.name not in ("install_completion", "help")
        ]
        if rows:
            yield table(head, rows)


def _usage(command: Any, path: str) -> str:
    context = typer.Context(command, info_name=path)
    return " ".join([path, *command.collect_usage_pieces(context)])


def _row(parameter: Any, language: str, texts: Catalogue) -> tuple[str, str, str, str]:
    if parameter.param_type_name == "argument":
        name = code((parameter.metavar or parameter.name).upper())
    else:
        names = ", ".join(map(code, parameter.opts))
        name = " / ".join(filter(None, (names, ", ".join(map(code, parameter.secondary_opts)))))
    several = getattr(parameter, "multiple", False) or parameter.nargs == -1
    meaning = _sentence(parameter.help or "", texts) + _WORDS[language]["several"] * several
    if isinstance(parameter.envvar, str):
        meaning += f" ({code(parameter.envvar)})" if language == "en" else f"（{code(parameter.envvar)}）"
    return name, _value(parameter, language), _default(parameter, language), meaning


def _sentence(text: str, texts: Catalogue) -> str:
    return shown(plain(texts.translate(" ".join(text.split()))))


def _value(parameter: Any, language: str) -> str:
    if getattr(parameter, "is_flag", False):
        return ""
    kind = parameter.type
    if (choices := getattr(kind, "choices", None)) is not None:
        return _WORDS[language]["or"].join(code(str(getattr(each, "value", each))) for each in choices)
    lowest, highest = getattr(kind, "min", None), getattr(kind, "max", None)
    name = kind.name.removesuffix(" range")
    word = _TYPES[language][_PYTHON.get(name, name)]
    if (form := _RANGE[language].get((lowest is not None, highest is not None))) is not None:
        word = (
            f"{word}, {form.format(lowest, highest)}" if language == "en" else f"{word}，{form.format(lowest, highest)}"
        )
    return word


# What click and typer call a type where that is not Python's name.
_PYTHON = {"integer": "int", "text": "str", "path": "Path", "file": "Path", "filename": "Path", "boolean": "bool"}


def _default(parameter: Any, language: str) -> str:
    if parameter.required:
        return _WORDS[language]["required"]
    default = parameter.default
    if callable(default) or default is None or default in ("", False, (), []) or re.search(r"Sentinel", repr(default)):
        return ""
    if default is True:
        return code(parameter.opts[0])
    values = default if isinstance(default, list | tuple) else [default]
    return ", ".join(code(str(getattr(each, "value", each))) for each in values)


__all__ = ["cli_pages"]
