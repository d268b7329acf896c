"""Stopping where a setting failed, with the debugger of Python."""

from __future__ import annotations

import sys
from types import TracebackType

from superparams.errors import is_library_frame, safe_text, skip_library_frames, traceback_text

__all__ = ["post_mortem"]


def post_mortem(error: BaseException) -> None:
    """Open pdb on the user's frame that raised `error`; returns when the user goes on.

    Raises:
        KeyboardInterrupt: When the user quits the debugger, or there is nobody to ask.
    """
    _say(traceback_text(error).rstrip())
    trace = _to_last_of_users(skip_library_frames(error.__traceback__))
    if trace is None:  # what `run` returned is wrong, so that it runs no more
        return
    import pdb  # a tenth of what a run has to load, and seldom of use

    _say("c: go on with the next setting, q: end the run")
    debugger = pdb.Pdb()
    debugger.reset()
    debugger.interaction(None, trace)
    if debugger.quitting:
        raise KeyboardInterrupt("left the debugger")


def _to_last_of_users(trace: TracebackType | None) -> TracebackType | None:
    """A traceback without the frames of ours at its end: pdb opens the last one."""
    frames: list[TracebackType] = []
    while trace is not None:
        frames.append(trace)
        trace = trace.tb_next
    while frames and is_library_frame(frames[-1]):
        frames.pop()
    made: TracebackType | None = None
    for one in reversed(frames):
        made = TracebackType(made, one.tb_frame, one.tb_lasti, one.tb_lineno)
    return made


def _say(text: str) -> None:
    sys.stdout.flush()  # what the setting printed comes first
    print(safe_text.lines(text), file=sys.stderr, flush=True)
