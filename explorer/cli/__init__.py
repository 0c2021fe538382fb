"""The command `gradflow`. Thin on purpose: what the main module imports, every process of the engine imports too."""

from __future__ import annotations

from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line (None: the program's own) and return the exit status.

    0: done. 1: `check` found an error beyond its tolerance, or `train` diverged. 2: something was wrong with what was
    asked for, and one sentence on stderr says what. 130: it was interrupted.
    """
    import sys

    try:
        try:
            from explorer.cli.commands import run
        except KeyboardInterrupt:  # so early that nothing has begun
            print("gradflow: Interrupted.", file=sys.stderr)
            return 130
        return run(sys.argv[1:] if argv is None else argv)
    finally:
        # An interrupt that comes while a piece of source is run (a dataclass or a named tuple is made by one while
        # torch is imported) is remembered by Python though it has been caught, and `python -m explorer` would end by
        # the signal instead of with the status. The next piece that is run makes it forget.
        exec("")
