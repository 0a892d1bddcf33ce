"""The nearest right spelling of a word that is not known."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word closest to `word`, upper and lower case aside; None when nothing resembles it."""
    folded: dict[str, str] = {}
    for name in known:
        folded.setdefault(name.casefold(), name)
    matches = difflib.get_close_matches(word.casefold(), list(folded), n=1, cutoff=0.6)
    return folded[matches[0]] if matches else None


def hint(word: str, known: Iterable[str]) -> str:
    """`did you mean 'x'?`, or `known: a, b, c` (at most eight) when nothing resembles the word."""
    names = sorted(set(known))
    close = nearest(word, names)
    if close is not None:
        return f"did you mean {close!r}?"
    if not names:
        return ""
    return "known: " + ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
