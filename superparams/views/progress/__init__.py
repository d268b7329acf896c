"""Shows the progress of a run.

At a terminal, this is one live line with the counts, the rate and the time left, and a line for
each worker if settings take long. In a notebook, it is the same in an output of the cell.
Elsewhere, it is a plain line at growing intervals. `progress=False` shows nothing.
"""

from superparams.views.progress.displays import say
from superparams.views.progress.run_progress import Progress, conclude

__all__ = ["Progress", "conclude", "say"]
