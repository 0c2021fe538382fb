"""A training's past within a memory budget: states thinned as they age, the records of its iterations, and what it was
judged by. Plain numpy, no torch. Everything here is a pure function of what it is given.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine import task_facts
from engine.requests import Weights
from engine.rows import Kept, Rows
from engine.spec import EarlyStopSpec, Experiment, Spec
from engine.task_facts import Metric
from engine.task_specs import MAX_STEPS
from engine.training_requests import Judged, Records

STATE_BYTES = 128 * 2**20
MOST_STATES = 1000
SCALAR_BYTES = 128 * 2**20
FLOW_BYTES = 32 * 2**20
"""Of the records, in memory and in a file: what is read again is thinned as it would be without a pause."""


class Evaluation(Spec, frozen=True, kw_only=True):
    """What a part held back said, after so many iterations."""

    iteration: int
    """Iterations done before it."""
    loss: float
    metric: Metric
    value: float
    baseline: float | None = None
    persistence: float | None = None
    """Of series the loss of repeating the last value (Judged.persistence)."""

    @classmethod
    def of(cls, iteration: int, judged: Judged) -> Evaluation:
        return cls(
            iteration=iteration,
            loss=judged.loss,
            metric=judged.metric,
            value=judged.value,
            baseline=judged.baseline,
            persistence=judged.persistence,
        )


def stops(evaluations: Collection[Evaluation], stop: EarlyStopSpec | None) -> bool:
    """Whether the loss has not fallen to a new least by more than `stop.least` at the last `stop.patience` of them.
    Where there are more of them after it has stopped so, it went on, and they are counted anew."""
    if stop is None:
        return False
    least, since = np.inf, 0
    for evaluation in evaluations:
        if since >= stop.patience:
            least, since = np.inf, 0
        if evaluation.loss < least - stop.least:
            least, since = evaluation.loss, 0
        else:
            since += 1
    return since >= stop.patience


def best_of(evaluations: Collection[Evaluation]) -> Evaluation | None:
    """The first one with the least loss; None where none has a finite one."""
    finite = (evaluation for evaluation in evaluations if np.isfinite(evaluation.loss))
    return min(finite, key=lambda evaluation: evaluation.loss, default=None)


def baseline_of(evaluations: Sequence[Evaluation], experiment: Experiment) -> float | None:
    """The loss of answers that have learned nothing: of data as the last evaluation has found it; None where nobody
    knows."""
    found = evaluations[-1].baseline if evaluations else None
    return task_facts.baseline(experiment.task, experiment.model) if found is None else found


# -- states -----------------------------------------------------------------------------------------------------------


def kept_before(states: Collection[int], iteration: int) -> int | None:
    """The nearest kept iteration at or before one; None if there is none."""
    return max((k for k in states if k <= iteration), default=None)


def thinned(
    states: Mapping[int, Weights], needed: Collection[int] = (), budget: int = STATE_BYTES, most: int = MOST_STATES
) -> dict[int, Weights]:
    """As many of the states, by iteration, as the budget (bytes) and `most` allow: the last one, whatever it takes, and
    those that are `needed`. Of the others the one goes that leaves the smallest gap for its age, and then the next:
    what is long past is kept at wider intervals, and to replay to an iteration takes a share of its age at most. The
    first goes when nothing else is left to go: what comes before any state is replayed from the seed.
    """
    left = sorted(states)
    if not left:
        return {}
    sizes = {k: sum(array.nbytes for array in states[k].values()) for k in left}
    fixed = {left[-1], *needed}
    size, last = sum(sizes.values()), left[-1]
    while size > budget or len(left) > most:
        free = [i for i in range(1, len(left) - 1) if left[i] not in fixed]
        if free:
            gone = left.pop(min(free, key=lambda i: (left[i + 1] - left[i - 1]) / (last - left[i])))
        elif left[0] not in fixed:
            gone = left.pop(0)
        else:
            break
        size -= sizes[gone]
    return {k: states[k] for k in left}


def evaluation_arrays(evaluations: Collection[Evaluation]) -> dict[str, NDArray[Any]]:
    """As a file holds them; `evaluations_from` reads them. {} where there are none; "persistence" only where one of
    them has it."""
    if not evaluations:
        return {}
    numbers = [(e.loss, e.value, _or_nan(e.baseline)) for e in evaluations]
    found = {
        "iteration": np.array([e.iteration for e in evaluations], np.int64),
        "numbers": np.array(numbers, np.float64),
    }
    repeated = np.array([_or_nan(e.persistence) for e in evaluations], np.float64)
    return found if np.isnan(repeated).all() else {**found, "persistence": repeated}


def evaluations_from(arrays: Mapping[str, NDArray[Any]], metric: Metric) -> tuple[Evaluation, ...]:
    """Raises ValueError where the arrays are not what `evaluation_arrays` gives."""
    if not arrays:
        return ()
    if set(arrays) - {"persistence"} != {"iteration", "numbers"}:
        raise ValueError(f"there are {', '.join(sorted(arrays))}, and iteration and numbers are needed")
    iterations, numbers = arrays["iteration"], arrays["numbers"]
    repeated = arrays.get("persistence", np.full(len(iterations), np.nan))
    if iterations.dtype != np.int64 or iterations.ndim != 1 or {numbers.dtype, repeated.dtype} != {np.dtype("f8")}:
        raise ValueError("they are not of the types that are needed")
    if numbers.shape != (len(iterations), 3) or (np.diff(iterations) <= 0).any() or (iterations < 0).any():
        raise ValueError("they are not three numbers for every iteration, in order")
    if repeated.shape != iterations.shape:
        raise ValueError(f"persistence is {repeated.shape}; one for each of {len(iterations)} iterations is needed")
    rows = zip(iterations.tolist(), numbers.tolist(), repeated.tolist(), strict=True)
    return tuple(
        Evaluation(iteration=i, loss=loss, metric=metric, value=value, baseline=_known(base), persistence=_known(last))
        for i, (loss, value, base), last in rows
    )


def _or_nan(value: float | None) -> float:
    return np.nan if value is None else value


def _known(value: float) -> float | None:
    return None if np.isnan(value) else value


# -- records ----------------------------------------------------------------------------------------------------------

FLOW = ("flow", "flow_bad")
_BY_LAYER = "layer_norms."
_SCALARS = tuple(part.name for part in fields(Records) if part.name not in ("first", "layer_norms", *FLOW))


@dataclass(frozen=True, eq=False)
class FlowTable:
    """The rows of the flow side by side, though their sequences may have been of different lengths."""

    iterations: NDArray[np.int64]
    """(n,)"""
    flow: NDArray[np.float32]
    """(n, T): NaN at steps that a row does not have."""
    bad: NDArray[np.bool_]
    """(n,): Records.flow_bad."""
    steps: NDArray[np.int64]
    """(n,): that each row has."""


@dataclass(frozen=True, eq=False)
class Log:
    """The records of a training: losses, norms and the like of every iteration, and the flow, whose rows are as long as
    the sequences, thinned where it takes more than its budget."""

    scalars: Kept = field(default_factory=lambda: Kept(SCALAR_BYTES))
    """By the names of Records, "layer_norms.l0". There is room for a million iterations of ten layers, and only beyond
    are they thinned."""
    flow: Kept = field(default_factory=lambda: Kept(FLOW_BYTES))
    """"flow" (n, T) and "flow_bad" (n,), where T may change from chunk to chunk."""
    next: int | None = None
    """The iteration that comes after the last one; None: there is none yet."""

    def __len__(self) -> int:
        """Iterations that are recorded."""
        return len(self.scalars)

    @property
    def iterations(self) -> NDArray[np.int64]:
        """(n,): of each of them."""
        return self.scalars.iterations

    def column(self, name: str) -> NDArray[Any]:
        """(n,): one of Records, "losses" or "layer_norms.l0"."""
        return self.scalars.column(name)

    def recorded(self, iteration: int) -> tuple[float, float] | None:
        """Loss and gradient norm before clipping of one iteration; None where it is not recorded, or thinned away."""
        row = self.scalars.row(iteration)
        return None if row is None else (float(row["losses"]), float(row["grad_norms"]))

    @property
    def layers(self) -> tuple[str, ...]:
        """Whose gradient norms are recorded."""
        names = self.scalars.chunks[0].columns if self.scalars.chunks else ()
        return tuple(name.removeprefix(_BY_LAYER) for name in names if name.startswith(_BY_LAYER))

    def appended(self, records: Records) -> Log:
        """With the rows of more iterations. What was there of those, and after them, is let go: another past has led to
        them. Rows that do not go on from the last one, or are another network's, begin a new log."""
        if not len(records):
            return self
        if self.next is not None and records.first < self.next:
            return self.until(records.first).appended(records)
        norms = {f"{_BY_LAYER}{name}": norms for name, norms in records.layer_norms.items()}
        scalars = Rows(records.first, {name: getattr(records, name) for name in _SCALARS} | norms)
        if self.next is not None and (records.first > self.next or not self.scalars.chunks[0].like(scalars)):
            return Log(Kept(self.scalars.budget), Kept(self.flow.budget)).appended(records)
        flow = Rows(records.first, {name: getattr(records, name) for name in FLOW})
        return Log(self.scalars.appended(scalars), self.flow.appended(flow), records.first + len(records))

    def until(self, iteration: int) -> Log:
        """The rows before an iteration alone."""
        if self.next is None or iteration >= self.next:
            return self
        scalars = self.scalars.until(iteration)
        return Log(scalars, self.flow.until(iteration), iteration if len(scalars) else None)

    def within(self, flow: int | None = None, scalars: int | None = None) -> Log:
        """The same within other budgets (bytes), or the usual ones."""
        return replace(
            self,
            flow=self.flow.within(FLOW_BYTES if flow is None else flow),
            scalars=self.scalars.within(SCALAR_BYTES if scalars is None else scalars),
        )

    def flow_table(self) -> FlowTable:
        chunks = self.flow.chunks
        longest = max((chunk["flow"].shape[1] for chunk in chunks), default=0)
        flow, row = np.full((len(self.flow), longest), np.nan, np.float32), 0
        for chunk in chunks:
            flow[row : row + len(chunk), : chunk["flow"].shape[1]] = chunk["flow"]
            row += len(chunk)
        steps = [np.full(len(chunk), chunk["flow"].shape[1], np.int64) for chunk in chunks]
        bad = [chunk["flow_bad"] for chunk in chunks]
        return FlowTable(
            self.flow.iterations,
            flow,
            np.concatenate(bad) if bad else np.zeros(0, np.bool_),
            np.concatenate(steps) if steps else np.zeros(0, np.int64),
        )

    def columns(self) -> dict[str, NDArray[Any]]:
        """One number a row by name, for a table: "iteration", "loss", "gradient norm", …"""
        if not len(self):
            return {}
        return {
            "iteration": self.iterations,
            "loss": self.column("losses"),
            "gradient norm": self.column("grad_norms"),
            "gradient norm after clipping": self.column("clipped_norms"),
            "clipped": self.column("clipped").astype(np.int64),
            **{f"gradient norm {name}": self.column(f"{_BY_LAYER}{name}") for name in self.layers},
            "learning rate": self.column("learning_rates"),
            "seconds": self.column("seconds"),
        }

    def arrays(self) -> dict[str, NDArray[Any]]:
        """As a file holds them (float64, float32 and int64): `from_arrays` reads them. {} where there are no rows."""
        if not len(self) or self.next is None:
            return {}
        found = {name: self.column(name) for name in self.scalars.chunks[0].columns}
        kept = self._flow_side_by_side()
        table = replace(self, flow=kept).flow_table()
        turns = np.flatnonzero(np.diff(table.steps, prepend=0))
        found |= {"flow": table.flow, "flow_bad": table.bad, "flow_steps": np.stack((turns, table.steps[turns]), 1)}
        found = {name: array.astype(np.int64) if array.dtype == np.bool_ else array for name, array in found.items()}
        first = kept.chunks[0].first if kept.chunks else 0
        places = {"place": (int(self.iterations[0]), self.scalars.stride, self.next)}
        places["flow_place"] = (first, kept.stride, self.next)
        return found | {name: np.array(place, np.int64) for name, place in places.items()}

    def _flow_side_by_side(self) -> Kept:
        """In a file all its rows are as long as the longest: thinned further where many short ones are beside it."""
        kept = self.flow
        longest = max((chunk["flow"].shape[1] for chunk in kept.chunks), default=0)
        while len(kept) > 1 and len(kept) * longest * 4 > FLOW_BYTES:
            kept = kept.within(kept.nbytes - 1)
        return kept

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], layers: Collection[str]) -> Log:
        """Of these layers. Raises ValueError where the arrays are not what `arrays` gives, or what earlier versions
        gave, in which all rows are as far apart and of one length."""
        if not arrays:
            return cls()
        if "flow_place" not in arrays and {"flow", "flow_bad", "place"} <= set(arrays) and arrays["flow"].ndim == 2:
            steps = np.array([[0, arrays["flow"].shape[1]]], np.int64)
            arrays = {**arrays, "flow_place": arrays["place"], "flow_steps": steps}
        scalars = (*_SCALARS, *(f"{_BY_LAYER}{name}" for name in layers))
        names = {*scalars, *FLOW, "flow_steps", "place", "flow_place"}
        if set(arrays) != names:
            raise ValueError(f"'{min(set(arrays) ^ names)}' is too much or too little")
        if (given := arrays["flow_steps"]).ndim != 2 or given.shape[1] != 2 or given.dtype != np.int64:
            raise ValueError(f"flow_steps is {given.shape} of {given.dtype}; (runs, 2) of int64 is needed")
        # As most of them have: so the one is named that is too short.
        n = Counter(arrays[name].size for name in scalars).most_common(1)[0][0]
        m, runs = arrays["flow_bad"].size, given.tolist()
        longest = max((steps for _, steps in runs), default=0)
        shapes = {
            "flow": (m, longest),
            "flow_bad": (m,),
            "flow_steps": (len(runs), 2),
            "place": (3,),
            "flow_place": (3,),
        }
        for name, array in arrays.items():
            kind = np.int64 if name in _WHOLE else np.float32 if name == "flow" else np.float64
            shape = shapes.get(name, (n,))
            if array.shape != shape or array.dtype != kind:
                raise ValueError(f"{name} is {array.shape} of {array.dtype}; {shape} of {np.dtype(kind)} is needed")
        for name in ("clipped", "flow_bad"):
            if (odd := arrays[name][(arrays[name] != 0) & (arrays[name] != 1)]).size:
                raise ValueError(f"{name} has {odd[0]} in it; 0 or 1 is needed")
        if not n:
            raise ValueError("there are places, and no rows")
        starts = [*(row for row, _ in runs), m]
        if (m or runs) and (starts[0] != 0 or any(a >= b for a, b in pairwise(starts))):
            raise ValueError(f"flow_steps are not of its {m} rows, in order")
        if any(not 1 <= steps <= MAX_STEPS for _, steps in runs):
            raise ValueError(f"flow_steps has more or fewer than the 1 to {MAX_STEPS:,} steps that are accepted")
        first, stride, after = _place(arrays["place"], n)
        flow_first, flow_stride, flow_after = _place(arrays["flow_place"], m)
        if flow_after != after:
            raise ValueError(f"they end at {after}, and the flow at {flow_after}")
        own = Rows(first, {name: _read(name, arrays[name]) for name in scalars})
        chunks = tuple(
            Rows(
                flow_first + start * flow_stride,
                {"flow": arrays["flow"][start:stop, :steps], "flow_bad": arrays["flow_bad"][start:stop].astype(bool)},
            )
            for (start, steps), stop in zip(runs, starts[1:], strict=True)
        )
        log = cls(Kept(SCALAR_BYTES, (own,), stride), Kept(FLOW_BYTES, chunks, flow_stride), after)
        return log.within()


_WHOLE = ("clipped", "flow_bad", "flow_steps", "place", "flow_place")


def _read(name: str, array: NDArray[Any]) -> NDArray[Any]:
    return array.astype(bool) if name in _WHOLE else array


def _place(place: NDArray[np.int64], rows: int) -> tuple[int, int, int]:
    """First iteration, how far apart, and the one after the last. Without rows only the last says anything."""
    first, stride, after = place.tolist()
    there = 0 <= first < after <= 2**40 and 1 <= stride <= 2**30
    if not there or (rows and not first + stride * (rows - 1) < after <= first + stride * rows):
        raise ValueError(f"{rows} rows from {first} on, {stride} apart, do not end before {after}")
    return first, stride, after
