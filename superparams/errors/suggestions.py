"""Suggests known names that are like one that is not known."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["similar"]


def similar(name: str, known: Iterable[str], most: int = 3) -> list[str]:
    """The known names that are like `name`.

    Names that end in it come first: ``optimizer.lr`` ends in ``lr``. Upper and lower case letters
    count as the same.

    Args:
        name: A name that is not known. It may be dotted, as the known ones may.
        known: The names that there are.
        most: The largest number of names to suggest.
    """
    import difflib  # for errors only: every import of superparams would pay for it

    names = {one: one.lower() for one in known}
    ends = {one: lower.rpartition(".")[2] for one, lower in names.items()}
    wanted = name.lower()
    found = [one for one, end in ends.items() if end == wanted.rpartition(".")[2]]
    for texts in (names, ends):  # a long name is unlike its own end
        close = difflib.get_close_matches(wanted, set(texts.values()), n=most, cutoff=0.65)
        found += [one for text in close for one in names if texts[one] == text]
    return list(dict.fromkeys(found))[:most]
