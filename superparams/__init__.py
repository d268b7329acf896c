"""One typed Python class is the whole experiment."""

from superparams.experiment import Experiment, GridSearch, Params, SearchMeta
from superparams.fields import search, value

__all__ = ["Experiment", "GridSearch", "Params", "SearchMeta", "search", "value"]
