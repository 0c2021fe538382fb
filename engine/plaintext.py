"""Plain text from a stranger's file: titles and notes that cannot dress up the interface."""

from __future__ import annotations

import unicodedata

_HARMFUL = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Unicode categories that are never shown: controls, format characters (the bidirectional ones among them), lone
surrogates, private and unassigned code points, line and paragraph separators."""


def one_line(text: str, limit: int) -> str:
    """`text` without control and bidirectional characters, white space folded to single spaces, at most `limit` long.

    What is cut off is marked with "…".
    """
    # The slice keeps a text of many megabytes cheap; nothing that is shown comes from beyond it.
    folded = " ".join(text[: 4 * limit + 64].split())
    clean = " ".join("".join(c for c in folded if unicodedata.category(c) not in _HARMFUL).split())
    return clean if len(clean) <= limit else clean[: limit - 1].rstrip() + "…"


def as_it_stands(line: str, limit: int) -> str:
    """A line with its spaces, and its tabs as arrows, which can be seen; without what dresses up the interface."""
    seen = line[: 4 * limit + 64].replace("\t", "→\u00a0")
    clean = "".join(c for c in seen if unicodedata.category(c) not in _HARMFUL)
    return clean if len(clean) <= limit else f"{clean[: limit - 1]}…"


def shortened(line: str, limit: int) -> str:
    """A line of at most `limit` with "…" in its middle: of names that begin alike the ends tell which is which."""
    if len(line) <= limit:
        return line
    head = limit // 2
    return f"{line[:head].rstrip()}…{line[len(line) - (limit - head - 1) :].lstrip()}"


def several_lines(text: str, limit: int) -> str:
    """Like `one_line`, but line breaks are kept."""
    clean = "\n".join(one_line(line, limit) for line in text[: 4 * limit + 64].splitlines())
    return clean if len(clean) <= limit else clean[: limit - 1].rstrip() + "…"
