"""The console script `xtl`: every verb, and one place where a user's error becomes one line."""

from __future__ import annotations

import sys
from typing import NoReturn

import typer

from xtl.errors import UserError

try:
    from jobs import (
        cancel,
        clean,
        collect,
        nodes,
        plan,
        prepare,
        profile,
        report,
        rescore,
        resubmit,
        score,
        show,
        status,
        sweep,
    )
    from xtl.launch.slurm.errors import SlurmRefusedError, SlurmSilentError
except UserError as error:  # of an extension: the catalogue takes it in as it is imported
    print(f"xtl: {error}", file=sys.stderr)
    sys.exit(2)

app = typer.Typer(
    name="xtl",
    help="Does more English intermediate-task data help low-resource languages in zero-shot "
    "cross-lingual QA? Write a manifest, run `xtl sweep`, read the report.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)

for verb in (
    profile,
    prepare,
    plan,
    sweep,
    status,
    show,
    nodes,
    resubmit,
    cancel,
    clean,
    collect,
    report,
    rescore,
    score,
):
    app.command()(getattr(verb, verb.__name__.rpartition(".")[2]))


def main() -> None:
    """Exit status 0: done; 1: something failed; 2: bad input, or a file or folder that cannot be
    used; 130: interrupted."""
    try:
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
