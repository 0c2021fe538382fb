"""The base of all specs. Plain data, no torch."""

from __future__ import annotations

import msgspec


class Spec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Immutable, keyword-only, unknown fields refused when read.

    Specs repeat frozen and kw_only, which msgspec inherits and type checkers do not.
    """
