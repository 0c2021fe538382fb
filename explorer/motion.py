"""Whether things may move by themselves."""

from __future__ import annotations

import os


def reduced_motion() -> bool:
    """Whether nothing should move by itself (GRADFLOW_REDUCED_MOTION; Qt does not tell what the system is set to)."""
    return os.environ.get("GRADFLOW_REDUCED_MOTION", "") not in ("", "0")
