"""Opens the debugger of Python where a setting failed."""

from __future__ import annotations

import sys
from types import TracebackType

from superparams.errors import is_library_frame, safe_text, skip_library_frames, traceback_text

__all__ = ["post_mortem"]


def post_mortem(error: BaseException) -> None:
    """Open pdb at the line of the user's code that raised an error, until the user goes on.

    Raises:
        KeyboardInterrupt: When the user quits the debugger, or if standard input has ended.
    """
    _say(traceback_text(error).rstrip())
    trace = _to_last_of_users(skip_library_frames(error.__traceback__))
    if trace is None:  # `run` has returned something wrong: there is no line to show
        return
    import pdb  # seldom needed, and slow: a tenth of the time of all imports of a run

    _say("c: go on with the next setting, q: end the run")
    debugger = pdb.Pdb()
    debugger.reset()
    debugger.interaction(None, trace)
    if debugger.quitting:
        raise KeyboardInterrupt("left the debugger")


def _to_last_of_users(trace: TracebackType | None) -> TracebackType | None:
    """A traceback that ends in the user's code, since pdb opens its last frame."""
    frames: list[TracebackType] = []
    while trace is not None:
        frames.append(trace)
        trace = trace.tb_next
    while frames and is_library_frame(frames[-1]):
        frames.pop()
    shortened: TracebackType | None = None
    for frame in reversed(frames):
        shortened = TracebackType(shortened, frame.tb_frame, frame.tb_lasti, frame.tb_lineno)
    return shortened


def _say(text: str) -> None:
    sys.stdout.flush()  # what the setting printed comes first
    print(safe_text.lines(text), file=sys.stderr, flush=True)
