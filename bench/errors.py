"""The errors a user can cause, worded so that the user can repair them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class BenchError(Exception):
    """Something the user gave cannot be used; the message names the thing, the rule and the fix.

    The command line prints the message alone (no traceback) and exits with status 2.
    """


def unknown_name(kind: str, given: str, allowed: Iterable[str]) -> BenchError:
    """An error for a name that is not known: what was given, the closest name, all names.

    >>> print(unknown_name("method", "asd", ["ast", "baseline"]))
    unknown method 'asd'; did you mean 'ast'? Known: ast, baseline
    """
    names = sorted(allowed)
    close = difflib.get_close_matches(given, names, n=1, cutoff=0.5)
    hint = f"; did you mean {close[0]!r}?" if close else "."
    return BenchError(f"unknown {kind} {given!r}{hint} Known: {', '.join(names) or '(none)'}")


def describe(error: Exception) -> str:
    """An exception in one line: our own errors as they are, others with their type.

    >>> describe(ZeroDivisionError("division by zero"))
    'ZeroDivisionError: division by zero'
    """
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = lines[0] if lines else "no message"
    return text if isinstance(error, BenchError) else f"{type(error).__name__}: {text}"
