"""The error of a trace against autograd, quantity by quantity, computed afresh and without engine.cells.

What a layer is compared with is engine.unrolled's, how it is compared engine.measure's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from engine.measure import TOLERANCE, worst_step
from engine.precision import arithmetic
from engine.quantities import GATES, QUANTITIES, STATES
from engine.requests import Audit, AuditRow
from engine.rounding import terms_of_gradients, terms_of_values
from engine.unrolled import Unrolled

if TYPE_CHECKING:
    from engine.layer_trace import LayerTrace
    from engine.tracing import Trace

Tensors = Mapping[str, Tensor]


def audit_trace(trace: Trace) -> Audit:
    """Every quantity of every layer, by the names that `Trace.numpy()` has: "l0.grads.h"."""
    audits = {name: layer.audit() for name, layer in trace.layers.items()}
    rows = [replace(row, quantity=f"{name}.{row.quantity}") for name, audit in audits.items() for row in audit.rows]
    return Audit(tuple(rows), next(iter(audits.values())).tolerance)


def audit_layer(layer: LayerTrace) -> Audit:
    """Every quantity of one layer: "values.f", "grads.a_f", "initial_grads.h", "weight_grads.weight_hh", …"""
    with arithmetic(layer.x, grad=True):
        reference = Unrolled(layer).differentiate()
    symbols = [q.symbol for q in QUANTITIES[layer.cell]]
    with arithmetic(layer.x):
        terms = {f"values.{symbol}": size for symbol, size in terms_of_values(layer).items()}
        terms |= terms_of_gradients(layer, {symbol: reference[f"grads.{symbol}"] for symbol in symbols})
        rows = [_row(f"values.{s}", layer.values[s], reference, terms) for s in symbols]
        rows += [_row(f"grads.{s}", layer.grads[s], reference, terms) for s in symbols]
        rows += [_whole(f"initial_grads.{s}", layer.initial_grads[s], reference, terms) for s in STATES[layer.cell]]
        # Each gate's block by itself: a quiet gate must not hide behind a loud one.
        blocks = len(GATES[layer.cell])
        for name, grad in layer.weight_grads.items():
            key = f"weight_grads.{name}"
            rows.append(_whole(key, _settled(grad, reference[key], terms[key]), reference, terms, blocks))
        rows.append(_row("input_grad", layer.input_grad, reference, terms))
    return Audit(tuple(rows), TOLERANCE[layer.x.dtype])


def _row(quantity: str, ours: Tensor, reference: Tensors, terms: Tensors) -> AuditRow:
    return AuditRow(quantity, *worst_step(ours, reference[quantity], terms.get(quantity)))


def _whole(quantity: str, ours: Tensor, reference: Tensors, terms: Tensors, blocks: int = 1) -> AuditRow:
    """Of a quantity without steps: the worst of its row blocks."""
    arrays = (array.reshape(blocks, -1) for array in (ours, reference[quantity], terms[quantity]))
    return AuditRow(quantity, worst_step(*arrays)[0], 0)


def _settled(ours: Tensor, reference: Tensor, terms: Tensor) -> Tensor:
    """Ours, but the reference where the terms together pass the largest number: what a sum of them comes to (inf, NaN
    or a number) hangs on the order in which they are added, and torch promises none."""
    return torch.where(terms > torch.finfo(ours.dtype).max, reference, ours)
