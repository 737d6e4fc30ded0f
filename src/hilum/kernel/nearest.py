"""The nearest right word: a mistake in a name is answered with the name that was probably meant."""

from __future__ import annotations

from collections.abc import Iterable


def nearest(word: str, known: Iterable[str]) -> str:
    """The known word closest to ``word``, ignoring case; empty if none is close (difflib ratio under 0.6)."""
    import difflib

    by_lower = {name.lower(): name for name in sorted(known, reverse=True)}
    found = difflib.get_close_matches(word.lower(), by_lower, n=1)
    return by_lower[found[0]] if found else ""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """``did you mean 'x'?``, or the known words if none is close, or nothing if there are none; for hints."""
    choices = sorted(known)
    if found := nearest(word, choices):
        return f"did you mean {found!r}?"
    return f"known: {', '.join(choices)}" if choices else ""
