"""The command line: one program for everything, which loads a command's module when that command runs."""

from __future__ import annotations

from importlib import import_module
from typing import Annotated, Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_group

from marketprism_services.cli.language.catalogue import spoken

_COMMANDS = "marketprism_services.cli"
_LOOK: dict[str, Any] = {"pretty_exceptions_enable": False, "rich_markup_mode": "rich"}


def check_installed(name: str) -> None:
    """Raises Stop, exit code 2: the command needs the services, which are not installed here; names the extra."""
    from marketprism_services.settings.extras import install_command, is_there  # noqa: PLC0415 (keeps --help quick)

    if not is_there(_SERVICES):
        command = install_command("dependency_injector")
        from marketprism_services.platform.exits import Exit, Stop  # noqa: PLC0415 (keeps --help quick)

        text = f"marketprism {name}: expected the services, found the light installation: {command}"
        raise Stop(Exit.USAGE, text)


class CommandRow(NamedTuple):
    """Where a command is: a module of this package, and there a function or a `typer.Typer` of subcommands.

    `help` is the first paragraph of its own help, for the list that is shown without loading it.
    """

    module: str
    name: str
    help: str


# Apart from the others: commands have names of services, and are no list of them.
_ORDERS = {
    "order": CommandRow(
        "order",
        "order",
        "What an order costs and may be, and where its position is liquidated; nothing is sent anywhere.",
    ),
    "order-tables": CommandRow(
        "order_tables",
        "order_tables",
        "Reference tables of orders: what they hold, and venues' own lists as tables.",
    ),
}
_BACKTESTS = {
    "backtest": CommandRow(
        "backtest",
        "backtest",
        "Run a strategy over recordings, files of bars, or what is stored; prove, repeat and compare runs.",
    ),
    "paper": CommandRow(
        "paper",
        "paper",
        "Run a strategy on what is published, with engine, account and fills of a backtest; no order is sent.",
    ),
}
COMMANDS = {
    "up": CommandRow("up", "up", "Run every service on this machine, with a nats-server and a store of their own."),
    "run": CommandRow("run", "run", "Run one service as this process, or several."),
    "calendar": CommandRow(
        "calendar",
        "calendar",
        "Show the sections of a trading day: auction, open and close, night sessions included.",
    ),
    "front": CommandRow(
        "front",
        "front",
        "Run a front for gateways: `marketprism run gateway --venue ctp --front sim://127.0.0.1:41205`.",
    ),
    "inspect": CommandRow(
        "inspect",
        "inspect_command",
        "Messages, rejections with reasons, sequence gaps, book resyncs and book checks, by venue, symbol and kind.",
    ),
    "bars": CommandRow("read", "bars", "Bars of an instrument; yellow rows overlap a known gap."),
    "ticks": CommandRow("read", "ticks", "Stored ticks of an instrument; `tail` shows those that are published now."),
    "tail": CommandRow("tail", "tail", "Ticks as they are published; says what it waits for while there are none."),
    "coverage": CommandRow(
        "read", "coverage", "What is stored of an instrument by trading day, and how complete it is."
    ),
    "gaps": CommandRow("read", "gaps", "Holes known in an instrument's data."),
    "quality": CommandRow("read", "quality", "Quality scores of an instrument, a window a row."),
    "instruments": CommandRow(
        "reference", "instruments", "Contract terms; names, order volumes and all the rest with --format json."
    ),
    "search": CommandRow(
        "reference",
        "search",
        "Instruments that a text may mean, the likeliest first; without a text those with data, the newest first.",
    ),
    "rolls": CommandRow(
        "reference",
        "rolls",
        "When which contract of a product became the main one: by open interest at the day before's end.",
    ),
    **_BACKTESTS,
    **_ORDERS,
    "gateway": CommandRow(
        "gateway",
        "gateway",
        "Show the state of gateways, or give one an order, which holds until the next one, whichever instance leads.",
    ),
    "simulate": CommandRow(
        "simulate",
        "simulate_command",
        "Web sockets and REST of a venue on 127.0.0.1; a gateway cannot tell the difference except by URL.",
    ),
    "status": CommandRow(
        "status", "status", "Services and their health, leaders and epochs, partitions, lag, and what is stored."
    ),
    "logs": CommandRow(
        "logs",
        "logs_command",
        "What the services of a data directory have logged, in the order of time; tracebacks stand with their line.",
    ),
    "alerts": CommandRow("alerts", "alerts", "Alerts: what is wrong, who takes care of it, whether channels work."),
    "jobs": CommandRow("jobs", "jobs", "Jobs: what runs when, what became of it; run, pause, define, remove."),
    "config": CommandRow(
        "config",
        "config",
        "Settings of all services at one place: see them, change them while they run, take a change back.",
    ),
    "rebuild": CommandRow(
        "offline",
        "rebuild_command",
        "Bars made anew: of recordings without a server, or of stored ticks; the same code and the same bytes as live.",
    ),
    "replay": CommandRow(
        "offline",
        "replay_command",
        "Publish stored data again, in order and with its times, on subjects of its own.",
    ),
    "data": CommandRow("data", "data", "Series and files: checks, repairs, downloads, imports, exports, jobs."),
    "health": CommandRow("health", "health", "Ask a service whether it is well: exit code 0, or 1 and the reason."),
    "doctor": CommandRow("doctor", "doctor", "Check the set-up and say what is wrong."),
    "capture": CommandRow("capture", "capture", "Raw frames of sources; `up --source capture:…` plays them again."),
    "chaos": CommandRow("chaos", "chaos", "Break real processes and see what happens."),
    "dead-letters": CommandRow(
        "dead_letters", "letters", "Commands that could not be done, and rows that no table took."
    ),
    "archive": CommandRow(
        "archive", "archive", "Old rows in files: what is archived, moved, checked, restored and held."
    ),
    "backup": CommandRow(
        "backup", "backup", "Encrypted copies of everything: made, listed, checked, restored and drilled."
    ),
    "access": CommandRow("access", "access", "Users, keys, roles and sessions of the API gateway, and its audit log."),
    "rules": CommandRow(
        "rules", "rules", "What ticks are judged by: see it, try other rules on the last hour, change it."
    ),
    "nats": CommandRow(
        "nats_server", "nats_server", "The NATS server: users and their rights, and one that watches its disk."
    ),
    "schema": CommandRow("schema", "schema", "The tables of the store: what is there, and what should be."),
    "upgrade": CommandRow("upgrade", "upgrade", "Upgrading: what runs and is stored, held against this program."),
    "store": CommandRow("store", "store", "The store: its identity, how far it is, filling it again."),
}


# What the light installation can do: it asks and listens. Everything else stands on packages of the services.
LIGHT = frozenset(("bars", "ticks", "tail", "coverage", "gaps", "quality", "instruments", "search", "rolls", "health"))
_SERVICES = "pydantic"  # one of their packages, which none of them can do without


class LazyCommand(TyperCommand):
    """Stands in the list for a command that is loaded when it runs, or when its own help is wanted."""

    def __init__(self, name: str, row: CommandRow) -> None:
        super().__init__(name, help=row.help, add_help_option=False)
        self._row = row

    def load(self) -> Any:
        """The command itself; its module is imported here. Raises Stop: it is none of this installation's."""
        name = self.name or ""
        if name not in LIGHT:
            check_installed(name)
        found = getattr(import_module(f"{_COMMANDS}.{self._row.module}"), self._row.name)
        program = typer.Typer(add_completion=False, **_LOOK)
        if isinstance(found, typer.Typer):
            program.add_typer(found, name=name)
        else:
            program.command(name)(found)
        command = get_group(program).commands[name]
        _without_types_of_flags(command)
        if spoken():
            from marketprism_services.cli.language.help import translate_help  # noqa: PLC0415 (English needs none)

            translate_help(command, spoken())
        return command

    def make_context(self, info_name: Any, args: Any, parent: Any = None, **extra: Any) -> Any:
        """A context of the command itself: from here on it alone is asked."""
        command = self.load()
        if "--help" in args:
            later = getattr(import_module(f"{_COMMANDS}.{self._row.module}"), "HELP", {})
            for each in command.params:
                if each.name in later:
                    each.help = spoken().translate(later[each.name]())
        return command.make_context(info_name, args, parent, **extra)


def _without_types_of_flags(command: Any) -> None:
    """Help of a flag names no type: it takes no value."""
    for each in (*command.params, command.get_help_option(typer.Context(command))):
        if each is not None and getattr(each, "is_flag", False):
            each.metavar = ""
    for inner in getattr(command, "commands", {}).values():
        if not isinstance(inner, LazyCommand):
            _without_types_of_flags(inner)


class LazyGroup(TyperGroup):
    """The commands of the table."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**{**settings, "commands": {name: LazyCommand(name, row) for name, row in COMMANDS.items()}})
        if spoken():
            from marketprism_services.cli.language.help import translate_frame  # noqa: PLC0415 (English needs none)

            translate_frame(spoken())

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """The help, in which flags name no type, in the user's language; the library has added its options by now."""
        _without_types_of_flags(self)
        if spoken():
            from marketprism_services.cli.language.help import translate_help  # noqa: PLC0415 (English needs none)

            translate_help(self, spoken())
        super().format_help(ctx, formatter)


app = typer.Typer(
    name="marketprism",
    cls=LazyGroup,
    help="Validated ticks and session-exact bars over NATS, kept in ClickHouse.",
    no_args_is_help=True,
    **_LOOK,
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415 (only here)

        try:
            print(f"marketprism {version('marketprism')}")
        except PackageNotFoundError:
            print("marketprism, not installed as a package")
        raise typer.Exit


@app.callback()
def program(
    context: typer.Context,
    _: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_version, help="Show the version and exit.")
    ] = False,
) -> None:
    """What `main` hands over is called before a command is loaded; a list of commands needs none of it."""
    if callable(context.obj):
        context.obj()


def main() -> None:
    """Entry point: every error becomes one clear line and an exit code."""
    try:
        app(obj=_quiet_logs)
    except KeyboardInterrupt:
        from marketprism_services.platform.exits import Exit  # noqa: PLC0415 (keeps --help quick)

        raise SystemExit(Exit.INTERRUPTED) from None
    except ModuleNotFoundError:
        raise  # `__main__` says which extra is missing
    except Exception as error:
        from marketprism_sdk.urls import hide  # noqa: PLC0415 (keeps --help quick)
        from marketprism_services.cli.options import err  # noqa: PLC0415
        from marketprism_services.platform.exits import line_of, stop_of  # noqa: PLC0415

        stop = stop_of(error)
        err.print(f"[red]error:[/red] {_escaped(hide(line_of(stop)))}", highlight=False, soft_wrap=True)
        raise SystemExit(stop.code) from error


def _quiet_logs() -> None:
    from marketprism_services.cli.notices import show_events_on  # noqa: PLC0415 (keeps --help quick)
    from marketprism_services.cli.options import err  # noqa: PLC0415

    show_events_on(err, level="warning")


def _escaped(text: str) -> str:
    return text.replace("[", r"\[")
