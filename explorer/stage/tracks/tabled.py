"""Tables of tracks, made of the arrays that they draw: a few words each, no copies."""

from __future__ import annotations

from functools import lru_cache

from engine.requests import Array
from explorer.stage.scales import Scale
from explorer.stage.tracks.base import Block, TableData


@lru_cache(maxsize=32)
def units(count: int) -> tuple[str, ...]:
    """The columns of a heatmap: "unit 0", "unit 1", …"""
    return tuple(f"unit {unit}" for unit in range(count))


def of_units(
    title: str,
    data: Array | None,
    known: tuple[int, int],
    scale: Scale | None = None,
    *,
    length: int = 0,
    unit: int | None = None,
) -> TableData | None:
    """A heatmap's: (T, H), a column a unit. `unit`: only this one."""
    if data is None:
        return None
    names = units(data.shape[1])
    if unit is not None and unit < data.shape[1]:
        names, data = names[unit : unit + 1], data[:, unit : unit + 1]
    return TableData(title, (Block(names, data, known, scale, length),))
