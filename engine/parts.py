"""Parts of a task's data. Plain data, no torch."""

from __future__ import annotations

from typing import Literal, TypeAlias

Part: TypeAlias = Literal["train", "validation", "test"]
"""What is learned from; what training looks at to stop; what is looked at last."""
