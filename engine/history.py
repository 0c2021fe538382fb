"""A training's past within a memory budget: states thinned as they age, the records of its iterations, and what it was
judged by. Plain numpy, no torch. Everything here is a pure function of what it is given.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.requests import Weights
from engine.spec import EarlyStopSpec, Spec
from engine.task_facts import Metric
from engine.training_requests import Judged, Records

STATE_BYTES = 128 * 2**20
MOST_STATES = 1000
LOG_BYTES = 64 * 2**20
CHUNK_BYTES = 2**20
"""Chunks of records are not joined to larger ones than this: however long a training is, a row more costs the same."""


class Evaluation(Spec, frozen=True, kw_only=True):
    """What a part held back said, after so many iterations."""

    iteration: int
    """Iterations done before it."""
    loss: float
    metric: Metric
    value: float
    baseline: float | None = None

    @classmethod
    def of(cls, iteration: int, judged: Judged) -> Evaluation:
        return cls(
            iteration=iteration,
            loss=judged.loss,
            metric=judged.metric,
            value=judged.value,
            baseline=judged.baseline,
        )


def stops(evaluations: Collection[Evaluation], stop: EarlyStopSpec | None) -> bool:
    """Whether the loss has not fallen to a new least by more than `stop.least` at the last `stop.patience` of them."""
    if stop is None:
        return False
    least, since = np.inf, 0
    for evaluation in evaluations:
        if evaluation.loss < least - stop.least:
            least, since = evaluation.loss, 0
        else:
            since += 1
    return since >= stop.patience


def best_of(evaluations: Collection[Evaluation]) -> Evaluation | None:
    """The first one with the least loss; None where none has a finite one."""
    finite = (evaluation for evaluation in evaluations if np.isfinite(evaluation.loss))
    return min(finite, key=lambda evaluation: evaluation.loss, default=None)


# -- states -----------------------------------------------------------------------------------------------------------


def kept_before(states: Collection[int], iteration: int) -> int | None:
    """The nearest kept iteration at or before one; None if there is none."""
    return max((k for k in states if k <= iteration), default=None)


def thinned(
    states: Mapping[int, Weights], shown: Collection[int] = (), budget: int = STATE_BYTES, most: int = MOST_STATES
) -> dict[int, Weights]:
    """As many of the states, by iteration, as the budget (bytes) and `most` allow. The first, the last and those shown
    are always kept. Of the others the one goes that leaves the smallest gap for its age, and then the next: what is
    long past is kept at wider intervals, and to replay to an iteration takes a share of its age at most.
    """
    left = sorted(states)
    if not left:
        return {}
    sizes = {k: sum(array.nbytes for array in states[k].values()) for k in left}
    fixed = {left[0], left[-1], *shown}
    size, last = sum(sizes.values()), left[-1]
    while size > budget or len(left) > most:
        free = [i for i in range(1, len(left) - 1) if left[i] not in fixed]
        if not free:
            break
        gone = left.pop(min(free, key=lambda i: (left[i + 1] - left[i - 1]) / (last - left[i])))
        size -= sizes[gone]
    return {k: states[k] for k in left}


def evaluation_arrays(evaluations: Collection[Evaluation]) -> dict[str, NDArray[Any]]:
    """As a file holds them; `evaluations_from` reads them. {} where there are none."""
    if not evaluations:
        return {}
    numbers = [(e.loss, e.value, np.nan if e.baseline is None else e.baseline) for e in evaluations]
    return {
        "iteration": np.array([e.iteration for e in evaluations], np.int64),
        "numbers": np.array(numbers, np.float64),
    }


def evaluations_from(arrays: Mapping[str, NDArray[Any]], metric: Metric) -> tuple[Evaluation, ...]:
    """Raises ValueError where the arrays are not what `evaluation_arrays` gives."""
    if not arrays:
        return ()
    if set(arrays) != {"iteration", "numbers"}:
        raise ValueError(f"there are {', '.join(sorted(arrays))}, and iteration and numbers are needed")
    iterations, numbers = arrays["iteration"], arrays["numbers"]
    if iterations.dtype != np.int64 or iterations.ndim != 1 or numbers.dtype != np.float64:
        raise ValueError("they are not of the types that are needed")
    if numbers.shape != (len(iterations), 3) or (np.diff(iterations) <= 0).any() or (iterations < 0).any():
        raise ValueError("they are not three numbers for every iteration, in order")
    return tuple(
        Evaluation(iteration=i, loss=loss, metric=metric, value=value, baseline=None if np.isnan(base) else base)
        for i, (loss, value, base) in zip(iterations.tolist(), numbers.tolist(), strict=True)
    )


# -- records ----------------------------------------------------------------------------------------------------------

_ROWS = tuple(part.name for part in fields(Records) if part.name not in ("first", "layer_norms"))


@dataclass(frozen=True, eq=False)
class Log:
    """The records of a training, chunk by chunk as they come. Where they take more than the budget, only every second
    row is kept, then every fourth, and so on: those of iterations that `stride` divides."""

    chunks: tuple[Records, ...] = ()
    """Some rows each. `Records.first` is the iteration of their first row, as far as rows are kept."""
    stride: int = 1
    next: int | None = None
    """The iteration that comes after the last one; None: there is none yet."""
    budget: int = LOG_BYTES

    def __len__(self) -> int:
        """Rows."""
        return sum(len(chunk) for chunk in self.chunks)

    @property
    def nbytes(self) -> int:
        return sum(_size(chunk) for chunk in self.chunks)

    def appended(self, records: Records) -> Log:
        """With the rows of more iterations. What was there of those, and after them, is let go: another past has led to
        them. Rows that do not go on from the last one begin a new log."""
        if not len(records):
            return self
        if self.next is not None and records.first < self.next:
            return self.until(records.first).appended(records)
        if (self.next is not None and records.first > self.next) or not self._like(records):
            return Log(budget=self.budget).appended(records)
        after = records.first + len(records)
        chunks = (*self.chunks, _every(records, 1, self.stride)) if self.stride > 1 else (*self.chunks, records)
        return replace(self, chunks=_merged(chunks), next=after)._fitted()

    def until(self, iteration: int) -> Log:
        """The rows before an iteration alone."""
        if self.next is None or iteration >= self.next:
            return self
        cut = (_first(chunk, max(0, -(-(iteration - chunk.first) // self.stride))) for chunk in self.chunks)
        chunks = tuple(chunk for chunk in cut if len(chunk))
        return replace(self, chunks=chunks, next=iteration if chunks else None, stride=self.stride if chunks else 1)

    def within(self, budget: int) -> Log:
        """The same within a smaller budget."""
        return replace(self, budget=budget)._fitted()

    @cached_property
    def iterations(self) -> NDArray[np.int64]:
        """(n,): of each row."""
        if not self.chunks:
            return np.zeros(0, np.int64)
        return self.chunks[0].first + self.stride * np.arange(len(self), dtype=np.int64)

    @cached_property
    def records(self) -> Records | None:
        """All rows; those of `iterations`. None where there are none."""
        return _joined(self.chunks) if self.chunks else None

    def columns(self) -> dict[str, NDArray[Any]]:
        """One number a row by name, for a table: "iteration", "loss", "gradient norm", …"""
        records = self.records
        if records is None:
            return {}
        layers = {f"gradient norm {name}": norms for name, norms in records.layer_norms.items()}
        return {
            "iteration": self.iterations,
            "loss": records.losses,
            "gradient norm": records.grad_norms,
            "gradient norm after clipping": records.clipped_norms,
            "clipped": records.clipped.astype(np.int64),
            **layers,
            "learning rate": records.learning_rates,
            "seconds": records.seconds,
        }

    def arrays(self) -> dict[str, NDArray[Any]]:
        """As a file holds them (float64, float32 and int64): `from_arrays` reads them. {} where there are no rows."""
        records = self.records
        if records is None or self.next is None:
            return {}
        found: dict[str, NDArray[Any]] = {name: getattr(records, name) for name in _ROWS}
        found = {name: array.astype(np.int64) if array.dtype == np.bool_ else array for name, array in found.items()}
        found |= {f"layer_norms.{name}": norms for name, norms in records.layer_norms.items()}
        return found | {"place": np.array([records.first, self.stride, self.next], np.int64)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], steps: int, layers: Collection[str]) -> Log:
        """Of T steps and these layers. Raises ValueError where the arrays are not what `arrays` gives."""
        if not arrays:
            return cls()
        names = {*_ROWS, "place", *(f"layer_norms.{name}" for name in layers)}
        if set(arrays) != names:
            raise ValueError(f"'{min(set(arrays) ^ names)}' is too much or too little")
        place, n = arrays["place"], arrays["losses"].size
        if place.shape != (3,) or place.dtype != np.int64:
            raise ValueError("their place is not three whole numbers")
        first, stride, after = place.tolist()
        if not (0 <= first < after <= 2**40 and 1 <= stride <= 2**30 and first + stride * (n - 1) < after):
            raise ValueError(f"their place is {first}, {stride}, {after} with {n} rows")
        for name, array in arrays.items():
            kind = {"flow": np.float32, "clipped": np.int64, "flow_bad": np.int64}.get(name, np.float64)
            shape = (n, steps) if name == "flow" else (n,)
            if name != "place" and (array.shape != shape or array.dtype != kind):
                raise ValueError(f"{name} is {array.shape} of {array.dtype}; {shape} of {np.dtype(kind)} is needed")
        rows = {name: arrays[name].astype(bool) if "int" in str(arrays[name].dtype) else arrays[name] for name in _ROWS}
        norms = {name: arrays[f"layer_norms.{name}"] for name in layers}
        return cls((Records(first=first, layer_norms=norms, **rows),), stride, after)

    def _like(self, records: Records) -> bool:
        """Whether they are rows of the same network."""
        if not self.chunks:
            return True
        there = self.chunks[0]
        return there.flow.shape[1] == records.flow.shape[1] and there.layer_norms.keys() == records.layer_norms.keys()

    def _fitted(self) -> Log:
        log = self
        while log.nbytes > log.budget and len(log) > 1:
            stride = 2 * log.stride
            chunks = tuple(_every(chunk, log.stride, stride) for chunk in log.chunks)
            log = replace(log, chunks=tuple(chunk for chunk in chunks if len(chunk)), stride=stride)
        return log


def _size(records: Records) -> int:
    arrays: list[NDArray[Any]] = [getattr(records, name) for name in _ROWS]
    return sum(array.nbytes for array in (*arrays, *records.layer_norms.values()))


def _mapped(records: Records, first: int, change: Any) -> Records:
    rows = {name: change(getattr(records, name)) for name in _ROWS}
    return Records(first=first, layer_norms={n: change(a) for n, a in records.layer_norms.items()}, **rows)


def _first(records: Records, count: int) -> Records:
    return _mapped(records, records.first, lambda array: array[:count])


def _every(records: Records, stride: int, kept: int) -> Records:
    """Of rows `stride` iterations apart those that `kept`, a multiple, divides. Copies, so that the rest is let go."""
    first = -(-records.first // kept) * kept
    start = (first - records.first) // stride
    return _mapped(records, first, lambda array: _fixed(array[start :: kept // stride].copy()))


def _joined(chunks: tuple[Records, ...]) -> Records:
    if len(chunks) == 1:
        return chunks[0]
    rows = {name: _fixed(np.concatenate([getattr(chunk, name) for chunk in chunks])) for name in _ROWS}
    norms = {
        name: _fixed(np.concatenate([chunk.layer_norms[name] for chunk in chunks])) for name in chunks[0].layer_norms
    }
    return Records(first=chunks[0].first, layer_norms=norms, **rows)


def _merged(chunks: tuple[Records, ...]) -> tuple[Records, ...]:
    """With few chunks, however many came: a chunk is joined with the one before that is not larger, so that every row
    is copied a few times at most, and none with many others."""
    left = [chunk for chunk in chunks if len(chunk)]
    while len(left) > 1 and len(left[-1]) >= len(left[-2]) and _size(left[-1]) + _size(left[-2]) <= CHUNK_BYTES:
        left[-2:] = [_joined((left[-2], left[-1]))]
    return tuple(left)


def _fixed(array: NDArray[Any]) -> NDArray[Any]:
    array.flags.writeable = False
    return array
