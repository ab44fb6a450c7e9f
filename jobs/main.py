"""The console script `xtl`: every verb, and one place where a user's error becomes one line."""

from __future__ import annotations

import gc
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

import typer

from xtl.errors import UserError
from xtl.launch.slurm.errors import SlurmRefusedError, SlurmSilentError

VERBS = (
    "profile",
    "prepare",
    "plan",
    "sweep",
    "status",
    "show",
    "nodes",
    "resubmit",
    "cancel",
    "clean",
    "collect",
    "report",
    "rescore",
    "score",
)


def make_app(verbs: Sequence[str] = VERBS) -> typer.Typer:
    """`verbs` are the names of functions, each in a module of that name, which is imported here.
    UserError of an extension: the catalogue takes it in as it is imported."""
    app = typer.Typer(
        name="xtl",
        help="Does more English intermediate-task data help low-resource languages in zero-shot "
        "cross-lingual QA? Write a manifest, run `xtl sweep`, read the report.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode="markdown",
    )
    app.callback()(lambda: None)  # so that one verb alone is still named
    for verb in verbs:
        app.command()(getattr(import_module(f"jobs.{verb}"), verb))
    return app


def main() -> None:
    """Exit status 0: done; 1: something failed; 2: bad input, or a file or folder that cannot be
    used; 130: interrupted."""
    called = sys.argv[1:2]
    try:
        # The other verbs are imported where all are to be named: most bring much that one lacks.
        app = load(called if called and called[0] in VERBS else VERBS)
        sys.exit(app(prog_name="xtl", standalone_mode=False))
    except typer.TyperException as error:
        _misused(error)
    except typer.Abort:
        sys.exit(130)
    except (UserError, SlurmSilentError, SlurmRefusedError) as error:
        _refuse(str(error))
    except OSError as error:
        _refuse(_line(error))
    except KeyboardInterrupt:
        sys.exit(130)


def load(verbs: Sequence[str]) -> typer.Typer:
    """What is imported stays: to look through it for garbage, again and again, takes a tenth of the
    time of a short verb."""
    gc.disable()
    try:
        return make_app(verbs)
    finally:
        gc.freeze()
        gc.enable()


def _misused(error: typer.TyperException) -> NoReturn:
    """Without a message it is a call without a verb, and the help has been shown."""
    words = " ".join(error.format_message().split()).rstrip(".")
    if not words:
        sys.exit(error.exit_code)
    context = getattr(error, "ctx", None)
    where = context.command_path if context else "xtl"
    _refuse(f"{words[0].lower()}{words[1:]} (`{where} --help` tells more)")


def _refuse(line: str) -> NoReturn:
    print(f"xtl: {line}", file=sys.stderr)
    sys.exit(2)


def _line(error: OSError) -> str:
    """`<path>: <reason>`, as far as the system gave them."""
    reason = error.strerror or " ".join(str(error).split()) or type(error).__name__
    return f"{error.filename}: {reason}" if error.filename else reason


if __name__ == "__main__":
    main()
