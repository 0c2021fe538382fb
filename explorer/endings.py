"""By what a file with somebody's own data is told from a session. Plain data, no Qt."""

from __future__ import annotations

DATA = (".csv", ".tsv", ".tab", ".psv", ".txt", ".npy", ".npz")
