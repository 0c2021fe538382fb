"""The error of a trace against autograd, quantity by quantity, computed afresh and without engine.cells.

What a layer is compared with is engine.unrolled's, how it is compared engine.measure's.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias, TypeVar

import torch
from torch import Tensor

from engine.measure import NARROW, TOLERANCE, worst_step
from engine.precision import arithmetic, without_anomaly_mode
from engine.quantities import GATES, STATES
from engine.requests import Audit, AuditRow
from engine.rounding import shares, summed, terms_of_gradients, terms_of_values
from engine.stack import sum_of
from engine.unrolled import Reference

if TYPE_CHECKING:
    from engine.layer_trace import LayerTrace
    from engine.tracing import Trace

Tensors = Mapping[str, Tensor]
Answer = TypeVar("Answer")
Pieces: TypeAlias = Generator[None, None, Answer]
_END = object()


def audit_trace(trace: Trace) -> Audit:
    """Every quantity of every layer, by the names that `Trace.numpy()` has: "l0.grads.h"."""
    return _whole_of(audit_in_pieces(trace))


def audit_in_pieces(trace: Trace) -> Pieces[Audit]:
    """The same; between two pieces somebody else can come."""
    audits: dict[str, Audit] = {}
    lowest: list[_Audited] = []
    for name, layer in trace.layers.items():
        one = yield from _audited(layer)
        audits[name] = one.audit
        if name in ("l0", "l0_reverse"):  # of the others nothing more is kept
            lowest.append(one)
    rows = [replace(row, quantity=f"{name}.{row.quantity}") for name, audit in audits.items() for row in audit.rows]
    gradients, finite = (sum(counts) for counts in zip(*(_counts(one) for one in audits.values()), strict=True))
    around, past = _around(trace)
    yield
    total = _total_row(trace, lowest, past)
    return Audit((*rows, *around, *total), next(iter(audits.values())).tolerance, gradients, finite)


def _whole_of(pieces: Pieces[Answer]) -> Answer:
    found: list[Answer] = []

    def kept() -> Generator[None, None, None]:
        found.append((yield from pieces))

    for _ in kept():
        pass
    return found[0]


def _counts(audit: Audit) -> tuple[int, int]:
    return audit.gradients, audit.finite


def _total_row(trace: Trace, lowest: Sequence[_Audited], past: Tensor | None) -> list[AuditRow]:
    """The gradient of what the first level reads, through its directions and past it. Where that is not known any more
    (in a trace from a file) there is nothing to compare with."""
    if past is None and trace.past_grad is not None:
        return []
    expected, size = sum_of([one.input_grad for one in lowest]), sum_of([one.input_terms for one in lowest])
    if past is not None:
        expected, size = expected + past, size + past.double().abs()
    return [AuditRow("input_grad", *worst_step(_by_step(trace.input_grad), _by_step(expected), _by_step(size)))]


def _around(trace: Trace) -> tuple[list[AuditRow], Tensor | None]:
    """Of what stands around the layers, its graphs asked again: its rows, and what it sends past the first level (see
    Trace.past_grad). None of both for a trace from a file, which has no graph."""
    flows = trace.loss_grads
    again = flows.again() if flows is not None else {}
    if flows is None or not again:
        return [], None
    T, first = trace.steps, trace.first_step - 1
    rows = []
    for quantity, array in {"outputs": trace.outputs, "losses": trace.losses}.items():
        expected = again[quantity]
        expected = expected if expected.shape == array.shape else expected[first : first + T]
        row = AuditRow(quantity, *worst_step(_by_step(array), _by_step(expected)))
        rows.append(row if len(_by_step(array)) == T else replace(row, step=0))
    size = again["losses"].double().abs().sum().reshape(1, 1)
    loss, expected_loss = trace.loss.reshape(1, 1), again["loss"].reshape(1, 1)
    rows.append(AuditRow("loss", worst_step(loss, expected_loss, size)[0], 0))
    # What the head and the pieces between the levels hand to each layer, from what the layer above was found to send.
    directs: dict[str, Tensor] = {}

    def recorded(name: str, direct: Tensor) -> LayerTrace:
        directs[name] = direct
        return flows.layers[name]

    with arithmetic(trace.loss):
        gone = flows.down([again[name] for name in again if name.startswith("leaf ")], recorded)
    for name, direct in directs.items():
        ours = trace.layers[name].output_grads
        direct = direct if len(direct) == T else direct[first : first + T]
        rows.append(AuditRow(f"{name}.output_grads", *worst_step(_by_step(ours), _by_step(direct))))
    expected_grads = {name.removeprefix("head_grads."): grad for name, grad in again.items() if "head_grads." in name}
    for name, grad in trace.head_grads.items() if flows.of_all_steps else ():
        expected = (expected_grads | gone.parameter_grads)[name]
        rows.append(AuditRow(f"head_grads.{name}", worst_step(grad.reshape(1, -1), expected.reshape(1, -1))[0], 0))
    past = gone.past if gone.past is None or len(gone.past) == T else gone.past[first : first + T]
    return rows, past


def _by_step(array: Tensor) -> Tensor:
    return array.reshape(len(array), -1) if array.dim() > 0 else array.reshape(1, 1)


@dataclass(frozen=True, eq=False)
class _Audited:
    audit: Audit
    input_grad: Tensor
    """(T, B, D): the reference's, …"""
    input_terms: Tensor
    """… and the sizes of its terms."""


def audit_layer(layer: LayerTrace) -> Audit:
    """Every quantity of one layer: "values.f", "grads.a_f", "initial_grads.h", "weight_grads.weight_hh", …"""
    return _whole_of(_audited(layer)).audit


def _audited(layer: LayerTrace) -> Pieces[_Audited]:
    found = Reference(layer)
    parts, ended = found.parts(), False
    while not ended:
        with arithmetic(layer.x, grad=True), without_anomaly_mode():  # not across a yield: they are the whole process's
            ended = next(parts, _END) is _END
        yield
    reference = found.whole()
    symbols = list(layer.values)
    with arithmetic(layer.x):
        if layer.x.dtype in NARROW:
            reference |= summed(layer, reference)
        terms = {f"values.{symbol}": size for symbol, size in terms_of_values(layer).items()}
    yield
    with arithmetic(layer.x):
        terms |= terms_of_gradients(layer, {symbol: reference[f"grads.{symbol}"] for symbol in symbols})
    yield
    rows = []
    for symbol in symbols:
        with arithmetic(layer.x):
            rows.append(_value_row(layer, symbol, reference, terms))
        yield
    for symbol in symbols:
        with arithmetic(layer.x):
            rows.append(_row(f"grads.{symbol}", layer.grads[symbol], reference, terms))
        yield
    with arithmetic(layer.x):
        rows += [_whole(f"initial_grads.{s}", layer.initial_grads[s], reference, terms) for s in STATES[layer.cell]]
        # Each gate's block by itself: a quiet gate must not hide behind a loud one.
        blocks = len(GATES[layer.cell])
        for name, grad in layer.weight_grads.items():
            key = f"weight_grads.{name}"
            rows.append(_whole(key, _settled(grad, reference[key], terms[key]), reference, terms, blocks))
        rows.append(_row("input_grad", layer.input_grad, reference, terms))
    yield
    for name in layer.weights:
        with arithmetic(layer.x):
            rows.append(_share_row(layer, name, reference, terms))
        yield
    grads = [layer.grads[symbol] for symbol in symbols]
    finite = sum(int(torch.isfinite(grad).sum()) for grad in grads)
    audit = Audit(tuple(rows), TOLERANCE[layer.x.dtype], sum(grad.numel() for grad in grads), finite)
    return _Audited(audit, reference["input_grad"], terms["input_grad"])


def _share_row(layer: LayerTrace, name: str, reference: Tensors, terms: Tensors) -> AuditRow:
    expected, size = shares(layer, reference, name), shares(layer, terms, name, sizes=True)
    ours = layer.weight_grad_share(name)[:, None]
    return AuditRow(f"weight_grad_share.{name}", *worst_step(ours, expected, size, layer.x.dtype))


def _value_row(layer: LayerTrace, symbol: str, reference: Tensors, terms: Tensors) -> AuditRow:
    """Under autocast every sum and gate has been rounded before the states were made of them."""
    quantity, ours = f"values.{symbol}", layer.values[symbol]
    size = terms.get(quantity, None if layer.rounded is None else ours.double().abs())
    return AuditRow(quantity, *worst_step(ours, reference[quantity], size, between=layer.rounded))


def _row(quantity: str, ours: Tensor, reference: Tensors, terms: Tensors) -> AuditRow:
    return AuditRow(quantity, *worst_step(ours, reference[quantity], terms.get(quantity)))


def _whole(quantity: str, ours: Tensor, reference: Tensors, terms: Tensors, blocks: int = 1) -> AuditRow:
    """Of a quantity without steps: the worst of its row blocks."""
    a, b, size = (array.reshape(blocks, -1) for array in (ours, reference[quantity], terms[quantity]))
    return AuditRow(quantity, worst_step(a, b, size)[0], 0)


def _settled(ours: Tensor, reference: Tensor, terms: Tensor) -> Tensor:
    """Ours, but the reference where the terms together pass the largest number: what a sum of them comes to (inf, NaN
    or a number) hangs on the order in which they are added, and torch promises none."""
    return torch.where(terms > torch.finfo(ours.dtype).max, reference, ours)
