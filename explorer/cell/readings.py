"""The numbers of an excerpt at one step: each is read once, when somebody wants to see it, however many show it."""

from __future__ import annotations

from dataclasses import replace

from engine.dtypes import smallest_normal
from engine.requests import Excerpt
from explorer.cell.interventions import Interventions, interventions
from explorer.cell.quantity import NOTHING, Array, Number, Reading, plain_series, read


class Readings:
    """What the parts of the cell panel read from, together."""

    def __init__(self, excerpt: Excerpt | None) -> None:
        self._excerpt = excerpt
        self._normal = 0.0 if excerpt is None else smallest_normal(excerpt.dtype)
        self._step = 0
        self._found: dict[int, Reading] = {}
        self._plain: dict[int, Array] = {}
        """Of numbers that are no more than an entry of a series: that series."""
        held = excerpt is not None and any(key.startswith("held.") for key in excerpt.cell_series)
        # Where nothing is ever held, every step's interventions are the same.
        self._always = None if excerpt is None or held else Interventions({}, excerpt.focus.cuts)
        self._held = Interventions()
        self._held_at = 0

    def there(self, step: int) -> bool:
        return self._excerpt is not None and 1 <= step <= self._excerpt.steps

    def of(self, number: Number, step: int) -> Reading:
        """At step t, from 1."""
        if step != self._step:
            self._found.clear()
            self._step = step
        key = id(number)
        found = self._found.get(key)
        if found is None:
            series = self._plain.get(key)
            if series is not None:
                found = Reading(float(series[step - 1]))
            else:
                if self._excerpt is None:
                    return NOTHING
                found = read(number, self._excerpt, step)
                if (series := plain_series(number, self._excerpt)) is not None:
                    self._plain[key] = series
            if found.value and abs(found.value) < self._normal:
                found = replace(found, subnormal=True)
            self._found[key] = found
        return found

    def interventions(self, step: int) -> Interventions:
        if self._always is not None:
            return self._always
        if step != self._held_at and self._excerpt is not None:
            self._held, self._held_at = interventions(self._excerpt, step), step
        return self._held
