"""The whole command: its verbs, its default verb, its errors and exit codes."""

from __future__ import annotations

import importlib
import io
import os
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final, NoReturn

import click

from superparams.errors import SuperparamsError, safe_text
from superparams.errors.suggestions import similar

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from superparams.cli.session import Session

__all__ = ["VERBS", "Verbs", "execute", "experiment"]

# Here and not in the files of the verbs, which are loaded only when they are used.
VERBS: Final = {
    "run": "Run experiments; the default when there is a NAME but no verb.",
    "list": "List all experiments, or those of NAME; the default without arguments.",
    "status": "Count settings that are done, failed, stale and to do.",
    "results": "Show the table of results.",
    "report": "Write the page of results: one file to look at and to send.",
    "board": "Show the page of results in a browser, and follow runs.",
    "logs": "Show what a setting printed.",
    "show": "Show everything about one setting.",
    "runs": "List the runs of an experiment.",
    "diff": "Compare two runs: space, code and packages.",
    "rerun": "Run settings again, whatever their recorded outcome is.",
    "accept": "Accept results of earlier code as still valid.",
    "clean": "Remove what is no longer needed.",
    "init": "Write a first example into a new experiments folder.",
    "completion": "Print the shell completion script.",
}
VARIABLE: Final = "_EXPERIMENT_COMPLETE"  # set by a shell that asks for suggestions
INTERRUPTED: Final = 130
USAGE: Final = 2
# Names of options in other tools, or of other verbs, and the option that does the same.
_ELSEWHERE: Final = {
    **dict.fromkeys(
        ("-j", "-p", "--jobs", "--n-jobs", "--workers", "--num-workers", "--max-workers"), "-n"
    ),
    **dict.fromkeys(("--parallel", "--processes", "--nproc", "--procs"), "-n"),
    **dict.fromkeys(("--dry-run", "--dryrun"), "--plan"),
    **dict.fromkeys(("--n-trials", "--num-trials", "--max-trials"), "--trials"),
    **dict.fromkeys(("--num-samples", "--n-samples", "--samples"), "--sample"),
    **dict.fromkeys(("--output", "--out"), "-o"),
}


class Verbs(click.Group):
    """A group whose verbs are loaded when they are used, with a default verb."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All verbs, in the order of the help."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """A verb by its name."""
        return load_verb(cmd_name) if cmd_name in VERBS else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The verbs with one line each; no verb is loaded for it."""
        with formatter.section("Verbs"):
            formatter.write_dl(list(VERBS.items()))

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Insert the default verb if there is none."""
        is_partial = ctx.resilient_parsing and not args  # the shell asks for the first word
        return super().parse_args(ctx, args if is_partial else with_verb(ctx, args))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """How a command line can begin: with a verb, a name, or an option of any of them."""
        from click.shell_completion import CompletionItem

        from superparams.cli.click_types import NAME

        run = load_verb("run")
        if incomplete.startswith("-") and run is not None:
            params = [*run.get_params(ctx), *ctx.command.get_params(ctx)]
            options = [option for option in params if isinstance(option, click.Option)]
            helps = {
                name: option.help
                for option in options
                for name in [*option.opts, *option.secondary_opts]
            }
            return [CompletionItem(name, help=helps[name]) for name in _matching(helps, incomplete)]
        verbs = [CompletionItem(name, help=VERBS[name]) for name in _matching(VERBS, incomplete)]
        return [*verbs, *NAME.shell_complete(ctx, ctx.command.params[0], incomplete)]


def _matching(words: Iterable[str], incomplete: str) -> list[str]:
    return [word for word in words if word.startswith(incomplete)]


def load_verb(name: str) -> click.Command | None:
    """The verb called `name`; None when there is no such verb."""
    module = f"superparams.cli.verbs.{name}"
    try:
        verb: click.Command = importlib.import_module(module).command
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
        return None
    return verb


def with_verb(ctx: click.Context, words: list[str]) -> list[str]:
    """The words of a command line, with the default verb if there is none."""
    if not words:
        return ["list"]
    if words[0] in VERBS or words[0] in _own_options(ctx):
        return words
    if words[0].startswith("-") and _are_options_of("list", words):
        return ["list", *words]
    return ["run", *words]


def _own_options(ctx: click.Context) -> list[str]:
    return [name for parameter in ctx.command.get_params(ctx) for name in parameter.opts]


def _are_options_of(verb: str, words: list[str]) -> bool:
    command = load_verb(verb)
    if command is None:
        return False
    with click.Context(command) as ctx:
        try:
            options, rest, _ = command.make_parser(ctx).parse_args(list(words))
        except click.UsageError:
            return False
    return not rest and not isinstance(options.get("target"), str)


def _version(ctx: click.Context, option: click.Parameter, is_given: bool) -> None:
    if is_given and not ctx.resilient_parsing:
        from importlib.metadata import version

        click.echo(f"superparams {version('superparams')}")
        ctx.exit()


experiment = Verbs(
    "experiment",
    params=[
        click.Option(
            ["--version"],
            is_flag=True,
            expose_value=False,
            is_eager=True,
            callback=_version,
            help="Show the version and exit.",
        )
    ],
    help="""Run experiments by name, and look at their results.

    A NAME is a file (RQ1, for RQ1.py), a folder (all files in it), or a class (RQ1.Digits), counted
    from the folder experiments/; paths work too.

    \b
    Examples:
      experiment init               write a first example to begin with
      experiment                    list all experiments and their state
      experiment RQ1 -n 4           run all of RQ1.py on four workers
      experiment RQ1 lr=0.1,0.01    with other values than those in the file
      experiment RQ1 --help         the fields of RQ1, and all options of a run
      experiment results RQ1        the table of results
    """,
    subcommand_metavar="[VERB] NAME [FIELD=VALUES]...",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def execute(
    program: str, words: Sequence[str] | None = None, session: Session | None = None
) -> NoReturn:
    """Carry out a command line, and exit with its exit code.

    Args:
        program: The command that the user typed, for messages.
        words: The other words; by default those of this process.
        session: The session; by default a new one for the working directory.
    """
    from superparams.cli.streams import let_go, ready

    ready()
    code = _executed(program, words, session)
    let_go()
    sys.exit(code)


def _executed(program: str, words: Sequence[str] | None, session: Session | None) -> int:
    if VARIABLE in os.environ:
        importlib.import_module("superparams.cli.shell_scripts")
    if session is None:
        from superparams.cli.session import Session

        session = Session(program)
    arguments = None if words is None else list(words)
    try:
        _refuse(sys.argv[1:] if arguments is None else arguments)
        # This is the exit code of `ctx.exit` in a verb.
        code = experiment.main(arguments, program, VARIABLE, standalone_mode=False, obj=session)
        sys.stdout.flush()  # its error is handled as any other
        return code if isinstance(code, int) else 0
    except click.ClickException as error:
        _show(error)
    except click.Abort as error:
        return _aborted(error)
    except SuperparamsError as error:
        words = sys.argv[1:] if arguments is None else arguments
        click.echo(f"Error: {_with_verb_meant(error, words)}", err=True)
    except Exception as error:
        _show_other(error)
    return USAGE


def _refuse(words: Iterable[str]) -> None:
    """Refuse words that are no text, or that have a NUL, which no file name has."""
    for word in words:
        try:
            word.encode()
        except UnicodeEncodeError:
            raise click.UsageError(f"{word!r:.80} is not valid UTF-8.") from None
        if "\0" in word:
            raise click.UsageError(f"{word!r:.80} contains a NUL character.")


def _show(error: click.ClickException) -> None:
    """Show the error of a command line, which quotes the words of the user."""
    text, meant = io.StringIO(), ""
    if isinstance(error, click.NoSuchOption):
        meant = _same_option(error.option_name, error.ctx)
        if meant:
            error = click.NoSuchOption(error.option_name, ctx=error.ctx)  # without similar ones
        else:
            meant = _option_meant(error.option_name, error.ctx)
    error.show(text)
    text.write(meant)
    click.echo(safe_text.lines(text.getvalue()), err=True, nl=False)


def _same_option(name: str, ctx: click.Context | None) -> str:
    """The option that does what one of another tool does; empty where there is none."""
    for param in () if ctx is None else ctx.command.params:
        if isinstance(param, click.Option) and _ELSEWHERE.get(name) in param.opts:
            return f"The option for that is {', '.join(param.opts)}: {param.help}\n"
    return ""


def _option_meant(name: str, ctx: click.Context | None) -> str:
    """The replacement for an option of an older version, or for a field with dashes."""
    from superparams.declare.legacy import OPTIONS

    if name in OPTIONS:
        return f"{name} was an option of superparams 0.1.0; now use {OPTIONS[name]}.\n"
    params = [] if ctx is None else ctx.command.params
    field = name.lstrip("-")
    if not field.isidentifier():
        return ""
    if any("FIELD=VALUES" in (param.metavar or "") for param in params):
        return f"Fields are given without dashes: {field}=VALUE.\n"
    if any("--where" in param.opts for param in params):
        return f"Rows are selected with --where: --where {field}=VALUE.\n"
    return ""


def _show_other(error: Exception) -> None:
    """Show an error of the user's code, or of the system. Other errors are raised again."""
    from superparams.cli.user_errors import text_for_user

    text = text_for_user(error)
    if text is None:
        raise error
    click.echo(f"Error: {safe_text.lines(text)}", err=True)


def _with_verb_meant(error: SuperparamsError, words: Sequence[str]) -> str:
    """An error, with a hint if its unknown name is in the place of a verb, and similar to one."""
    text, name = str(error), getattr(error, "target", "")
    if not name or name not in words[:1]:
        return text
    if name == "help":
        return f"{text}; did you mean --help?"
    near = similar(name, VERBS, 1)
    if not near:
        return text
    if text.endswith("?"):
        return f"{text[:-1]}, or the verb {near[0]}?"
    return f"{text}; or did you mean the verb {near[0]}?"


def _aborted(error: click.Abort) -> int:
    cause = error.__cause__
    if not isinstance(cause, KeyboardInterrupt):  # a question that was not answered with yes
        click.echo("Nothing was done.", err=True)
        return USAGE
    click.echo(safe_text.lines(f"Interrupted: {cause}") if cause.args else "Interrupted.", err=True)
    return INTERRUPTED
