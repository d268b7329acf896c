"""Suggests similar names for an unknown name."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["similar"]


def similar(name: str, candidates: Iterable[str], most: int = 3) -> list[str]:
    """The candidates that are similar to an unknown name.

    Candidates with the same last part come first: ``optimizer.lr`` for ``lr``. Upper and lower case
    letters count as the same.

    Args:
        name: The unknown name, dotted or not.
        candidates: The names that exist, dotted or not.
        most: The largest number of suggestions.
    """
    import difflib  # for errors only: every import of superparams would pay for it

    lower_name = name.lower()
    lower = {candidate: candidate.lower() for candidate in candidates}
    ends = {candidate: text.rpartition(".")[2] for candidate, text in lower.items()}
    matches = [candidate for candidate, end in ends.items() if end == lower_name.rpartition(".")[2]]
    for texts in (lower, ends):  # a long name is not similar to its own end
        close = difflib.get_close_matches(lower_name, set(texts.values()), n=most, cutoff=0.65)
        matches += [candidate for text in close for candidate in texts if texts[candidate] == text]
    return list(dict.fromkeys(matches))[:most]
