"""Pinned traces: what stays of an earlier trace, to be seen beside the present one. Only its norms are kept.

Pins are a part of the view: undo does not take them away. Somebody pins in order to compare, and going back to an
earlier state by undo, to see it beside what is pinned, is a comparison too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from engine.quantities import CELL_TITLES, STATES
from engine.requests import Excerpt, ShownLayer
from engine.session import MAX_PINS, PinnedNorms
from engine.spec import Experiment, LayerSpec, TrainingSpec, WhatIf

MOST = MAX_PINS
"""Pins at once; with one more the oldest goes."""


@dataclass(frozen=True, eq=False)
class Pin:
    """Of a trace: what it was made of, and its layers with their norms."""

    layers: Mapping[str, ShownLayer]
    steps: int
    experiment: Experiment | None
    """None: a recorded trace."""
    what_if: WhatIf
    iteration: int
    title: str = ""
    """Of a recorded trace."""

    def same(self, other: Pin) -> bool:
        """Whether it is of the same trace."""
        mine, its = ((p.experiment, p.what_if, p.iteration, p.title, p.steps) for p in (self, other))
        return mine == its


def pin_of(excerpt: Excerpt, experiment: Experiment | None, what_if: WhatIf, iteration: int) -> Pin:
    return Pin(excerpt.layers, excerpt.steps, experiment, what_if, iteration, excerpt.title)


def with_pin(pins: Sequence[Pin], pin: Pin) -> tuple[Pin, ...]:
    """The pins with one more; itself, where it is there already."""
    return (*[old for old in pins if not old.same(pin)], pin)[-MOST:]


def kept(pins: Sequence[Pin]) -> tuple[PinnedNorms, ...]:
    """What a session keeps of them: the norms of the states, and of their gradients; as many as a pin that came out of
    a file has."""
    found = []
    for pin in pins:
        if pin.experiment is not None:
            norms = {
                f"{name}.{kind}.{state}": layer.norms[f"{kind}.{state}"]
                for name, layer in pin.layers.items()
                for kind in ("grads", "values")
                for state in STATES[layer.cell]
                if f"{kind}.{state}" in layer.norms
            }
            found.append(PinnedNorms(pin.experiment, pin.what_if, pin.iteration, norms))
    return tuple(found)


def from_session(saved: Sequence[PinnedNorms]) -> tuple[Pin, ...]:
    return tuple(
        Pin(_layers(one), one.experiment.task.steps, one.experiment, one.what_if, one.iteration) for one in saved
    )


_NOTHING = np.empty(0)
"""A pin keeps the norms of quantities alone."""


def _layers(saved: PinnedNorms) -> dict[str, ShownLayer]:
    found = {}
    for place, spec in enumerate(saved.experiment.model.layers):
        for name in (f"l{place}", f"l{place}_reverse")[: 1 + spec.bidirectional]:
            own = {key.removeprefix(f"{name}."): a for key, a in saved.norms.items() if key.startswith(f"{name}.")}
            found[name] = ShownLayer(
                name=name,
                cell=spec.cell,
                activation=spec.activation,
                hidden_size=spec.hidden_size,
                input_size=0,
                reverse=name.endswith("_reverse"),
                layer_norm=spec.layer_norm,
                norms=own,
                input_norms=_NOTHING,
                direct_norms=_NOTHING,
                initial={},
                longest=_longest(saved),
            )
    return found


def _longest(saved: PinnedNorms) -> int:
    """Steps of the longest sample, which a session does not say: behind them no norm is a number. 0: all of them."""
    if getattr(saved.experiment.task, "shortest", None) is None or not saved.norms:
        return 0
    there = np.flatnonzero(~np.isnan(np.stack(list(saved.norms.values()))).all(0))
    return int(there[-1]) + 1 if there.size and there[-1] + 1 < saved.experiment.task.steps else 0


def name(pin: Pin, experiment: Experiment | None, what_if: WhatIf, iteration: int) -> str:
    """How it differs from what is there now: "LSTM, forget bias +1", "× 1.2", "iteration 20", "as now"."""
    if pin.experiment is None:
        return pin.title or "recorded"
    parts = [] if experiment is None else of_experiments(pin.experiment, experiment)
    if experiment is None:
        parts = [_stack(pin.experiment.model.layers)]
    parts += of_what_ifs(pin.what_if, what_if)
    if pin.iteration != iteration:
        parts.append(f"iteration {pin.iteration}")
    return ", ".join(parts[:3]) or "as now"


def _stack(layers: Sequence[LayerSpec]) -> str:
    titles = [f"{CELL_TITLES[one.cell]}{' ⇄' if one.bidirectional else ''}" for one in layers]
    if len(titles) > 1 and len(set(titles)) == 1:
        return f"{len(titles)} × {titles[0]}"
    return " + ".join(titles)


def of_experiments(own: Experiment, now: Experiment) -> list[str]:
    parts: list[str] = []
    mine, its = _stack(own.model.layers), _stack(now.model.layers)
    if mine != its:
        parts.append(mine)
    a, b = _flat(own), _flat(now)
    differ = [field for field, value in a.items() if b.get(field, value) != value or _is_choice(field, a, b)]
    parts += [_said(field, a[field]) for field in differ if not field.startswith(".training.")]
    parts += _of_trainings(own.training, now.training)
    return list(dict.fromkeys(part for part in parts if part))


def _is_choice(field: str, a: Mapping[str, object], b: Mapping[str, object]) -> bool:
    """Whether only one of the two has anything there: None in the other, or None here and fields below it there."""
    if field in b:
        return False
    return a[field] is None or any(field.startswith(f"{other}.") for other, value in b.items() if value is None)


def _of_trainings(own: TrainingSpec, now: TrainingSpec) -> list[str]:
    """What of a training bears upon the gradients of one trace."""
    parts = []
    if own.truncation != now.truncation:
        cut = own.truncation
        parts.append("full BPTT" if cut is None else f"truncated {cut.k1}, {cut.k2}")
    mine, its = (spec.clip if spec.clip is not None and spec.clip.kind == "step" else None for spec in (own, now))
    if mine != its:
        parts.append("steps not clipped" if mine is None else f"steps clipped at {_number(mine.max_norm)}")
    if own.iterations != now.iterations:
        parts.append(f"{own.iterations:,} iterations before")
    return parts


def of_what_ifs(own: WhatIf, now: WhatIf) -> list[str]:
    parts = []
    if own.recurrent_scale != now.recurrent_scale:
        parts.append(f"× {_number(own.recurrent_scale)}")
    if own.spectral_radius != now.spectral_radius:
        parts.append("own ρ" if own.spectral_radius is None else f"ρ = {_number(own.spectral_radius)}")
    if own.forget_bias != now.forget_bias:
        parts.append(f"forget bias {_signed(own.forget_bias)}")
    if own.gate_biases != now.gate_biases:
        parts.append(_each(own.gate_biases, lambda one: f"bias {one.gate} {_signed(one.shift)}", "own biases"))
    if own.clamps != now.clamps:
        parts.append(_each(own.clamps, lambda one: f"{one.gate} held at {_number(one.value)}", "no gate held"))
    if own.cuts != now.cuts:
        parts.append(_each(own.cuts, lambda one: f"{one.route} cut", "no route cut"))
    if own.dtype != now.dtype:
        parts.append(own.dtype or "own type")
    return parts


def _each(found: Sequence[Any], say: Any, none: str) -> str:
    return ", ".join(say(one) for one in found[:2]) or none


def _number(value: float) -> str:
    return f"{value:.3g}".replace("-", "−")


def _signed(value: float) -> str:
    return f"+{_number(value)}" if value > 0 else _number(value)


_NAMES = {
    "steps": "T",
    "delay": "delay",
    "batch_size": "batch",
    "hidden_size": "units",
    "learning_rate": "learning rate",
    "dropout": "dropout",
    "gain": "gain",
    "forget_bias": "forget bias",
    "seed": "seed",
    "at": "read at",
    "loss": "loss",
    "activation": "",
    "dtype": "",
    "kind": "",
}
_NONE = {
    "forget_bias": "default forget bias",
    "update_bias": "default update bias",
    "spectral_radius": "W_hh as drawn",
    "shortest": "all sequences of T steps",
    "std": "",
}
"""What is said where nothing was chosen."""
_SILENT = ("cell", "bidirectional", "device", "clip")
"""Told by the stack, or without influence on the gradient."""


def _said(field: str, value: object) -> str:
    last = field.rpartition(".")[2]
    if last == "recurrent":
        return f"{value} W_hh"
    if last in _SILENT:
        return ""
    name = _NAMES.get(last, last.replace("_", " "))
    if value is None:
        return _NONE.get(last, f"no {name}" if name else "")
    if isinstance(value, bool):
        return name if value else f"no {name}"
    said = _number(value) if isinstance(value, float) else str(value)
    if name in ("T", "units"):
        return f"T = {said}" if name == "T" else f"{said} units"
    return f"{name} {said}".strip()


def _flat(experiment: Experiment) -> dict[str, object]:
    """Leaves by their path."""
    found: dict[str, object] = {}

    def walk(data: Any, path: str) -> None:
        if isinstance(data, (list, tuple)):
            data = dict(enumerate(data))
        if isinstance(data, dict):
            for key, part in data.items():
                walk(part, f"{path}.{key}")
        else:
            found[path] = data

    walk(msgspec.to_builtins(experiment), "")
    return found
