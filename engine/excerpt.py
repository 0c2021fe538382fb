"""What of a trace is on screen: Look + trace → Excerpt, as plain read-only numpy arrays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from engine import shown
from engine.arrays import on_device, read_only
from engine.dtypes import smallest_normal
from engine.errors import SpecError
from engine.events import clip_events
from engine.layer_trace import LayerTrace
from engine.norms import norm
from engine.optimizing import stepped
from engine.plaintext import one_line
from engine.requests import Array, ClipReport, ClipRow, Computed, Excerpt, Look, Recorded, ShownLayer
from engine.sources import Traced, traced, weights_of
from engine.spec import OwnTask, clip_of
from engine.task_facts import form, target_name
from engine.task_labels import column_labels_of, labels_of, read_labels_of
from engine.training import clipped_of
from engine.training_state import fitted, optimizer_of
from engine.verdict import verdict
from engine.what_if import effective_weights

MOST_LABELS = 512
"""Of classes: more are named only where they are targets or likeliest answers."""


def excerpt(look: Look) -> Excerpt:
    """What this look shows. Raises SpecError, DataError, SessionError."""
    made, _ = traced(look.source)
    trace = made.trace
    focus = look.layer or made.last
    if focus not in trace.layers:
        raise SpecError(f"layer is '{one_line(focus, 20)}'; there are {', '.join(trace.layers)}.")
    layer = trace.layers[focus]
    if look.sample < 0:
        raise SpecError(f"sample is {look.sample}; a whole number from 0 is accepted.")
    if look.unit is not None and not 0 <= look.unit < layer.hidden_size:
        raise SpecError(f"unit is {look.unit}; a whole number from 0 to {layer.hidden_size - 1} is accepted.")
    sample = min(look.sample, layer.batch_size - 1)
    clip, update_rows = _clip_and_update(made, look.source) if isinstance(look.source, Computed) else (None, ())
    open_weights = isinstance(look.source, Computed) and look.source.weights is None
    model = look.source.experiment.model if isinstance(look.source, Computed) else None
    dtype = str(layer.x.dtype).removeprefix("torch.")
    found = {key: shown.array(made, key, sample) for key in look.keys}
    inputs, targets = _inputs(made, sample), _targets(made, sample)
    outputs = _outputs(trace.outputs, made.layer, sample)
    read_labels, labels = _labels(made, inputs, targets, outputs)
    return Excerpt(
        layers={name: _layer(made, name, sample) for name in trace.layers},
        layer=focus,
        steps=layer.steps,
        batch_size=layer.batch_size,
        dtype=dtype,
        device=str(layer.x.device),
        device_note=made.network.device_note if made.network is not None else "",
        sample=sample,
        unit=look.unit,
        length=layer.steps if layer.lengths is None else int(layer.lengths[sample]),
        arrays={key: array for key, array in found.items() if array is not None},
        cell_series=made.cell_series(focus, sample, look.unit) | (made.routes(focus, sample) if look.routes else {}),
        cell_inputs=read_only(layer.x[:, sample]),
        inputs=inputs,
        outputs=outputs,
        targets=targets,
        loss=float(trace.loss),
        losses=_losses(trace.losses, layer),
        loss_steps=min(len(trace.losses), layer.steps if layer.lengths is None else layer.longest),
        clip=clip,
        update_rows=update_rows,
        verdict=verdict(made.judged_row, made.layer.longest, smallest_normal(dtype)),
        events=made.own_events + clip_events(clip, layer.steps),
        seconds=made.seconds,
        weights=weights_of(made.network) if open_weights and made.network is not None else None,
        title=Path(look.source.path).stem if isinstance(look.source, Recorded) else "",
        symbols=_symbols(made),
        readout=model.readout.at if model is not None else "",
        loss_kind=model.loss if model is not None else "",
        longest=0 if layer.lengths is None else layer.longest,
        truncation=look.source.experiment.training.truncation if isinstance(look.source, Computed) else None,
        read_labels=read_labels,
        labels=labels,
        target_name=target_name(look.source.experiment.task) if isinstance(look.source, Computed) else "",
    )


def _labels(made: Traced, inputs: Array, targets: Array, outputs: Array) -> tuple[dict[int, str], dict[int, str]]:
    """What symbols or columns, and classes are called that stand on the stage. Of a vocabulary of fifty thousand few
    do."""
    if made.network is None:
        return {}, {}
    experiment = made.network.experiment
    read, answers = read_labels_of(experiment.task), labels_of(experiment.task, experiment.model)
    read_labels = dict(enumerate(read))
    if isinstance(experiment.task, OwnTask):
        read_labels = _named(read, inputs) or dict(enumerate(column_labels_of(experiment.task)))
    if len(answers) <= MOST_LABELS:
        return read_labels, dict(enumerate(answers))
    return read_labels, _named(answers, targets) | _named(answers, outputs.argmax(-1))


def _named(labels: tuple[str, ...], numbers: NDArray[Any]) -> dict[int, str]:
    """Of these symbols, as far as they have names."""
    places = np.unique(np.nan_to_num(numbers)).astype(int).tolist() if labels else []
    return {at: labels[at] for at in places if 0 <= at < len(labels)}


def _layer(made: Traced, name: str, sample: int) -> ShownLayer:
    layer = made.trace.layers[name]
    return ShownLayer(
        name=name,
        cell=layer.cell,
        activation=layer.activation,
        hidden_size=layer.hidden_size,
        input_size=layer.x.shape[-1],
        reverse=layer.reverse,
        layer_norm=layer.rules.norm is not None,
        norms=made.norms(name),
        input_norms=made.way_norms(name, "input"),
        direct_norms=made.way_norms(name, "direct"),
        initial={state: read_only(start[sample]) for state, start in layer.initial.items()},
        cuts=layer.cuts,
        longest=0 if layer.lengths is None else layer.longest,
        crossing_norms=made.crossing_norms(name),
    )


def _symbols(made: Traced) -> int:
    if made.network is None:
        return 0
    model, task = made.network.experiment.model, made.network.experiment.task
    return form(task).symbols if model.embedding is None else model.embedding.symbols


def _inputs(made: Traced, sample: int) -> Array:
    """What the network reads; of one-hot vectors, which symbols they are. Of a recorded trace: what its lowest layer
    reads."""
    x = next(iter(made.trace.layers.values())).x if made.batch is None else made.batch.x
    if x.dim() == 3 and _symbols(made):
        x = x.argmax(-1)
    return read_only(x[:, sample] if x.dim() == 3 else x[:, sample, None].to(made.layer.x.dtype))


def _clip_and_update(made: Traced, source: Computed) -> tuple[ClipReport, tuple[ClipRow, ...]]:
    """What clipping did, and per parameter the norm of the effective weights and of their change by the update."""
    assert made.network is not None
    experiment, what_if, base = source.experiment, source.what_if, made.network.weights
    before = effective_weights(experiment, base, what_if)
    done = clipped_of(made.trace, clip_of(experiment, what_if), before)
    kept = {} if source.weights is None else optimizer_of(fitted(experiment, source.weights))
    of_optimizer = on_device(kept, made.network.device)
    base, _ = stepped(experiment, base, of_optimizer, done.grads, source.iteration, what_if, before)
    after = effective_weights(experiment, base, what_if)
    rows = tuple(ClipRow(name, float(norm(before[name])), float(norm(after[name] - before[name]))) for name in before)
    return done.report, rows


def _outputs(outputs: Tensor, layer: LayerTrace, sample: int) -> Array:
    """(T, O), (1, O), or (0, 0) where the model's answer has no such shape."""
    if outputs.dim() == 3 and outputs.shape[:2] == (layer.steps, layer.batch_size):
        return read_only(outputs[:, sample])
    if outputs.dim() == 2 and len(outputs) == layer.batch_size:
        return read_only(outputs[sample][None])
    return np.zeros((0, 0))


def _targets(made: Traced, sample: int) -> Array:
    if made.batch is None:
        return np.zeros((0, 0))
    targets = made.batch.targets
    if not targets.is_floating_point():
        targets = targets[..., None].to(made.layer.x.dtype)  # class numbers, as (n, 1)
    return read_only(targets[:, sample] if targets.dim() == 3 else targets[sample][None])


def _losses(losses: Tensor, layer: LayerTrace) -> Array:
    """(T,) float64: NaN at the steps without a loss, and where all samples have ended. A single loss stands at the last
    step of the longest sample."""
    longest = layer.steps if layer.lengths is None else layer.longest
    found = np.full(layer.steps, np.nan)
    each = losses.double().cpu().numpy()
    if len(each) == layer.steps:
        found[:longest] = each[:longest]
    else:
        found[longest - len(each) : longest] = each
    found.flags.writeable = False
    return found
