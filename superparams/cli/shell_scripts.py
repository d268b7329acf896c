"""The completion scripts for shells, and the answers to their requests.

As with `click.shell_completion`, a script calls the command with ``_EXPERIMENT_COMPLETE`` set. It
reads one suggestion a line: the word, a tab, and its description. The scripts differ from those of
click for ``field=``: no space follows it, and bash, for which ``=`` ends a word, gets only the rest
of the word.
"""

from __future__ import annotations

import os
import shlex
from typing import ClassVar, Final

from click import Command
from click.shell_completion import (
    CompletionItem,
    ShellComplete,
    add_completion_class,
    split_arg_string,
)

from superparams.cli.command import VARIABLE

__all__ = ["SHELLS", "script"]

_BASH: Final = r"""
%(complete_func)s() {
    local line
    COMPREPLY=()
    while IFS= read -r line; do
        line="${line%%%%$'\t'*}"
        [[ -n $line ]] || continue
        COMPREPLY+=("$line")
        case $line in *[=./,]) compopt -o nospace ;; esac
    done < <(COMP_LINE="${COMP_LINE:0:$COMP_POINT}" COMP_BREAKS="$COMP_WORDBREAKS" \
        %(complete_var)s=bash_complete "$1" 2>/dev/null)
}
complete -o nosort -F %(complete_func)s %(prog_name)s 2>/dev/null ||
    complete -F %(complete_func)s %(prog_name)s
"""

_ZSH: Final = r"""
#compdef %(prog_name)s
%(complete_func)s() {
    local line value shown
    local -a values shown_values open shown_open
    for line in "${(@f)$(COMP_WORDS="${(j: :)words[1,CURRENT]}" COMP_CWORD=$((CURRENT-1)) \
        %(complete_var)s=zsh_complete "${words[1]}" 2>/dev/null)}"; do
        value="${line%%%%$'\t'*}"
        shown="${line/$'\t'/  }"
        [[ -n $value ]] || continue
        case $value in
            *[=./,]) open+=("$value"); shown_open+=("$shown") ;;
            *) values+=("$value"); shown_values+=("$shown") ;;
        esac
    done
    (( $#values )) && compadd -U -V values -d shown_values -- "${values[@]}"
    (( $#open )) && compadd -U -V open -S '' -d shown_open -- "${open[@]}"
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    %(complete_func)s "$@"
else
    compdef %(complete_func)s %(prog_name)s
fi
"""

_FISH: Final = r"""
function %(complete_func)s
    COMP_LINE=(commandline -cp) %(complete_var)s=fish_complete %(prog_name)s 2>/dev/null
end
complete --no-files --command %(prog_name)s --arguments "(%(complete_func)s)"
"""


class _Shell(ShellComplete):
    """The common part of the three shells."""

    def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem[str]]:
        """Suggestions; none after an error, which nobody would see."""
        try:
            return super().get_completions(args, incomplete)
        except (Exception, SystemExit):
            return []

    def format_completion(self, item: CompletionItem[str]) -> str:
        return f"{item.value}\t{' '.join(item.help.split())}" if item.help else item.value


class _OfLine(_Shell):
    """A shell that passes the line before the cursor."""

    def get_completion_args(self) -> tuple[list[str], str]:
        line = os.environ.get("COMP_LINE", "")
        words = split_arg_string(line)
        # A space ends the last word, unless it is between quotes.
        if not line or (line[-1].isspace() and split_arg_string(f"{line}x")[-1] == "x"):
            words.append("")
        return words[1:-1], words[-1]


@add_completion_class
class Bash(_OfLine):
    """Replaces only the text after the last character that ends a word for bash."""

    name = "bash"
    source_template: ClassVar[str] = _BASH

    def complete(self) -> str:
        """The suggestions, one a line, without the beginning of the word that bash keeps."""
        incomplete = self.get_completion_args()[1]
        breaks = os.environ.get("COMP_BREAKS", "") if not _is_quoted() else ""
        start = max((incomplete.rfind(mark) for mark in "=:" if mark in breaks), default=-1) + 1
        return "\n".join(line[start:] for line in super().complete().splitlines())


def _is_quoted() -> bool:
    """Whether the line ends between quotes, where no character ends a word for bash."""
    try:
        shlex.split(os.environ.get("COMP_LINE", ""))
    except ValueError:
        return True
    return False


@add_completion_class
class Zsh(_Shell):
    """Passes its words, and the index of the word to complete."""

    name = "zsh"
    source_template: ClassVar[str] = _ZSH

    def get_completion_args(self) -> tuple[list[str], str]:
        words = split_arg_string(os.environ.get("COMP_WORDS", ""))
        index = int(os.environ.get("COMP_CWORD", "0"))
        return words[1:index], words[index] if index < len(words) else ""


@add_completion_class
class Fish(_OfLine):
    """Adds no space after a word that ends in ``=``, ``.``, ``/`` or a comma."""

    name = "fish"
    source_template: ClassVar[str] = _FISH


SHELLS: Final[dict[str, type[ShellComplete]]] = {"bash": Bash, "zsh": Zsh, "fish": Fish}


def script(shell: str, command: Command) -> str:
    """The script that the shell must evaluate."""
    return SHELLS[shell](command, {}, "experiment", VARIABLE).source().lstrip()
