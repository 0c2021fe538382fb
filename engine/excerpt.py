"""What of a trace is on screen: Look + trace → Excerpt, as plain read-only numpy arrays."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.clipping import clipped
from engine.errors import SpecError
from engine.events import events
from engine.layer_trace import LayerTrace
from engine.network import effective_weights
from engine.norms import norm
from engine.quantities import GATES
from engine.requests import Array, ClipReport, ClipRow, Computed, Excerpt, Look, Recorded
from engine.sources import Traced, traced, weights_of
from engine.spec import clip_of
from engine.training import updated
from engine.verdict import verdict


def excerpt(look: Look) -> Excerpt:
    """What this look shows. Raises SpecError, DataError, SessionError."""
    made, remembered = traced(look.source)
    layer, trace = made.layer, made.trace
    if look.sample < 0:
        raise SpecError(f"sample is {look.sample}; a whole number from 0 is accepted.")
    if look.unit is not None and not 0 <= look.unit < layer.hidden_size:
        raise SpecError(f"unit is {look.unit}; a whole number from 0 to {layer.hidden_size - 1} is accepted.")
    sample = min(look.sample, layer.batch_size - 1)
    clip, update_rows = _clip_and_update(made, look.source) if isinstance(look.source, Computed) else (None, ())
    parts = _by_key(layer)
    open_weights = isinstance(look.source, Computed) and look.source.weights is None
    return Excerpt(
        cell=layer.cell,
        activation=layer.activation,
        steps=layer.steps,
        batch_size=layer.batch_size,
        hidden_size=layer.hidden_size,
        dtype=str(layer.x.dtype).removeprefix("torch."),
        device=str(layer.x.device),
        device_note=made.network.device_note if made.network is not None else "",
        sample=sample,
        unit=look.unit,
        arrays={key: _plain(parts[key][:, sample]) for key in look.keys if key in parts},
        norms=made.norms,
        cell_series=cell_series(layer, sample, look.unit),
        inputs=_plain(layer.x[:, sample]),
        outputs=_outputs(trace.outputs, layer, sample),
        targets=_targets(made, sample),
        initial={name: _plain(state[sample]) for name, state in layer.initial.items()},
        loss=float(trace.loss),
        losses=_losses(trace.losses, layer.steps),
        clip=clip,
        update_rows=update_rows,
        verdict=verdict(made.last_loss_row),
        events=events(layer.cell, layer.values, layer.grads, clip),
        seconds=0.0 if remembered else made.seconds,
        weights=weights_of(made.network) if open_weights and made.network is not None else None,
        title=Path(look.source.path).stem if isinstance(look.source, Recorded) else "",
    )


def cell_series(layer: LayerTrace, sample: int, unit: int | None) -> dict[str, Array]:
    """(T,) float64 for every key, and for what the equations of a step need besides: of one unit, or norms."""
    rows = slice(None) if unit is None else slice(unit, unit + 1)
    series = {key: array[:, sample, rows] for key, array in _by_key(layer).items()}
    for state, before in layer.before.items():
        series[f"values.{state}_prev"] = before[:, sample, rows]
    series["grads.h_direct"] = layer.output_grads[:, sample, rows]

    # W_ih x + b_ih and W_hh h₋ + b_hh, (T, G, H) or, of one unit, (T, G, 1).
    x, h = layer.x[:, sample], layer.before["h"][:, sample]
    for side, given, weight, bias in (
        ("input", x, "weight_ih", "bias_ih"),
        ("recurrent", h, "weight_hh", "bias_hh"),
    ):
        blocks = layer.weights[weight].view(-1, layer.hidden_size, given.shape[1])[:, rows]  # (G, H, D)
        both = torch.einsum("td,ghd->tgh", given, blocks)
        if bias in layer.weights:
            both = both + layer.weights[bias].view(-1, layer.hidden_size)[:, rows]
        for index, gate in enumerate(GATES[layer.cell]):
            series[f"{side}.a_{gate}" if gate else f"{side}.a"] = both[:, index]

    if unit is None:
        numbers = torch.stack([norm(array, dim=-1) for array in series.values()])
    else:
        numbers = torch.stack(list(series.values())).squeeze(-1).double()
    return dict(zip(series, _plain(numbers), strict=True))


def _by_key(layer: LayerTrace) -> dict[str, Tensor]:
    parts: tuple[tuple[str, Mapping[str, Tensor]], ...] = (("values", layer.values), ("grads", layer.grads))
    return {f"{part}.{symbol}": array for part, arrays in parts for symbol, array in arrays.items()}


def _clip_and_update(made: Traced, source: Computed) -> tuple[ClipReport, tuple[ClipRow, ...]]:
    """What clipping did, and per parameter the norm of the effective weights and of their change by the update."""
    assert made.network is not None
    experiment, what_if, base = source.experiment, source.what_if, made.network.weights
    grads = made.trace.weight_grads
    report = clipped(grads, clip_of(experiment, what_if)).report
    before = effective_weights(experiment, base, what_if)
    after = effective_weights(experiment, updated(experiment, base, grads, what_if), what_if)
    rows = tuple(ClipRow(name, float(norm(before[name])), float(norm(after[name] - before[name]))) for name in before)
    return report, rows


def _outputs(outputs: Tensor, layer: LayerTrace, sample: int) -> Array:
    """(T, O), (1, O), or (0, 0) where the model's answer has no such shape."""
    if outputs.dim() == 3 and outputs.shape[:2] == (layer.steps, layer.batch_size):
        return _plain(outputs[:, sample])
    if outputs.dim() == 2 and len(outputs) == layer.batch_size:
        return _plain(outputs[sample][None])
    return np.zeros((0, 0))


def _targets(made: Traced, sample: int) -> Array:
    if made.batch is None:
        return np.zeros((0, 0))
    targets = made.batch.targets
    if not targets.is_floating_point():
        targets = targets[..., None].to(made.layer.x.dtype)  # class numbers, as (n, 1)
    return _plain(targets[:, sample] if targets.dim() == 3 else targets[sample][None])


def _losses(losses: Tensor, steps: int) -> Array:
    """(T,) float64: NaN at the steps without a loss. A single loss stands at the last step."""
    found = np.full(steps, np.nan)
    found[steps - len(losses) :] = losses.double().cpu().numpy()
    found.flags.writeable = False
    return found


def _plain(tensor: Tensor) -> NDArray[np.floating]:
    """A contiguous read-only array of its own memory."""
    array: NDArray[np.floating] = tensor.detach().contiguous().cpu().numpy()
    array.flags.writeable = False
    return array
