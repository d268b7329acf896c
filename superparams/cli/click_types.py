"""What the words of a command line stand for, so that shells can complete them."""

from __future__ import annotations

import click
from click.shell_completion import CompletionItem

__all__ = ["KEY", "NAME", "OVERRIDE", "Key", "Name", "Override"]


class Name(click.ParamType):  # type: ignore[type-arg]  # generic from click 8.3 on
    """An experiment, a file or a folder of them."""

    name = "name"

    def get_missing_message(
        self, param: click.Parameter, ctx: click.Context | None = None
    ) -> str | None:
        """What to do when it is left out."""
        return "`experiment list` lists all experiments."

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Names that begin so, of the folder that the session is about."""
        from superparams.cli.completion_words import targets
        from superparams.errors import CommandError

        try:
            return [*map(CompletionItem, targets(ctx.obj.root, incomplete))]
        except CommandError:  # there is no such folder
            return []


class Override(click.ParamType):  # type: ignore[type-arg]
    """``field=values`` for the experiments that the argument `target` names."""

    name = "override"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Fields and points that begin so. The file is imported to know them."""
        from superparams.cli.completion_words import overrides

        classes = ctx.obj.experiments(ctx.params["target"])
        return [*map(CompletionItem, overrides(classes, incomplete))]


class Key(click.ParamType):  # type: ignore[type-arg]
    """The beginning of a key, or conditions that hold for one setting."""

    name = "key"

    def get_missing_message(
        self, param: click.Parameter, ctx: click.Context | None = None
    ) -> str | None:
        """What to do when it is left out."""
        return "Which setting? `experiment results NAME` shows the keys."


KEY = Key()
NAME = Name()
OVERRIDE = Override()
