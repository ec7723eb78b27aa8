"""`marketprism`, and `python -m marketprism_services`.

The command is there in every installation. The light one has what reads and listens; what else is asked of it says in
one line which extra it needs.
"""

from __future__ import annotations

import sys

_USAGE, _INTERRUPTED = 2, 130  # of `platform.exits`, which is not loaded by now
_PASSWORD = "--password"  # noqa: S105 (the name of an option)


def main() -> None:
    """Entry point; a package that is missing ends it with the command that installs it, and exit code 2."""
    try:
        _hide_arguments()
        _answer_health()
        from marketprism_services.cli.app import main as run  # noqa: PLC0415 (an extra)

        run()
    except KeyboardInterrupt:  # while the command itself is loaded
        raise SystemExit(_INTERRUPTED) from None
    except ModuleNotFoundError as error:
        from marketprism_services.cli.language.catalogue import spoken  # noqa: PLC0415 (keeps --help quick)
        from marketprism_services.settings.extras import command_for, is_there  # noqa: PLC0415

        if not error.name or is_there(error.name) or not (command := command_for(error.name)):
            raise
        text = f"error: expected the package {error.name.partition('.')[0]} for this, found none: {command}"
        print(spoken().translate(text), file=sys.stderr)
        raise SystemExit(_USAGE) from error


def _answer_health() -> None:
    """Answer `health` and end: engines of containers ask it every few seconds, without loading the command line."""
    if sys.argv[1:2] != ["health"]:
        return
    from marketprism_services.cli.health_check import check  # noqa: PLC0415 (of one command)

    code = check(sys.argv[2:])
    if code is not None:
        raise SystemExit(code)


def _hide_arguments() -> None:
    """Show no password of an argument in the list of processes, which every user of the machine can read.

    For a moment it was there: a variable (MARKETPRISM_NATS__URL) or a file is better.
    """
    if not any("@" in argument or argument.startswith(_PASSWORD) for argument in sys.orig_argv):
        return
    from marketprism_sdk.urls import HIDDEN, hide  # noqa: PLC0415 (keeps --help quick)
    from marketprism_services.settings.extras import is_there  # noqa: PLC0415

    shown = [hide(argument) for argument in sys.orig_argv]
    for number, argument in enumerate(shown):
        name, given, _ = argument.partition("=")
        if name == _PASSWORD and given:
            shown[number] = f"{name}={HIDDEN}"
        elif number and shown[number - 1] == _PASSWORD:
            shown[number] = HIDDEN
    if shown != sys.orig_argv and is_there("setproctitle"):
        from setproctitle import setproctitle  # noqa: PLC0415 (an extra, on Linux)

        setproctitle(" ".join(shown))


if __name__ == "__main__":
    main()
