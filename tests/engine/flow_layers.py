"""What the tests of the flow matrix stand on: layers, losses and pieces, and a backward pass for each loss."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from unrolled_stack import depends, unrolled

from engine.flow_matrix import flow_gradients
from engine.quantities import GATES, STATES
from engine.stack import Layer, Level
from engine.tracing import Trace, trace_stack

KERNELS = {("lstm", "tanh"): "lstm", ("gru", "tanh"): "gru", ("rnn", "tanh"): "rnn_tanh", ("rnn", "relu"): "rnn_relu"}
KINDS = ("tanh", "relu", "lstm", "gru")


def source(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def batch(T: int = 9, B: int = 3, D: int = 2, dtype: torch.dtype = torch.float64, seed: int = 1) -> Tensor:
    return torch.randn(T, B, D, dtype=dtype, generator=source(seed))


def each_step(y: Tensor) -> Tensor:
    return y.pow(2).sum((1, 2))


def a_layer(
    name: str, cell: str, D: int, H: int, B: int, seed: int = 0, *, norm: bool = False, activation: str = "tanh",
    gain: float = 1.5, dtype: torch.dtype = torch.float64, **more: object,
) -> Layer:  # fmt: skip
    draw, rows = source(seed), len(GATES[cell]) * H

    def randn(*shape: int) -> Tensor:
        return torch.randn(*shape, dtype=dtype, generator=draw)

    weights = {"weight_ih": randn(rows, D) / D**0.5, "weight_hh": gain * randn(rows, H) / H**0.5}
    weights |= {"bias_ih": 0.3 * randn(rows), "bias_hh": 0.3 * randn(rows)}
    if norm:
        weights |= {"norm_weight": 1 + 0.3 * randn(rows), "norm_bias": 0.3 * randn(rows)}
    initial = {state: 0.5 * randn(B, H) for state in STATES[cell]}
    kernel = KERNELS.get((cell, activation))
    return Layer(name, cell, activation, weights, initial, kernel, name.endswith("_reverse"), **more)


def agrees(found: Tensor, expected: Tensor, tolerance: float = 1e-10) -> None:
    """Relative to each loss's and step's own size, and to what rounding leaves of the whole at the smallest."""
    norms = torch.linalg.vector_norm(expected, dim=(-2, -1), keepdim=True)
    floor = norms.max() * torch.finfo(expected.dtype).eps ** 2
    assert bool(((found - expected).abs() <= tolerance * norms + floor).all())


def check(
    levels: tuple[Level, ...], x: Tensor, head: Callable[..., tuple[Tensor | None, Tensor]],
    lengths: Tensor | None = None, reads_stream: bool = False, tolerance: float = 1e-10,
) -> Trace:  # fmt: skip
    """Every layer's gradients, norms and reachability, against a backward pass for each loss."""
    trace = trace_stack(levels, x, head, {}, lengths, reads_stream)
    reference = unrolled(levels, x, head, lengths, reads_stream)
    T = len(x)
    mask = torch.ones(T, x.shape[1], dtype=torch.bool) if lengths is None else torch.arange(T)[:, None] < lengths
    for name in trace.layers:
        gradients = torch.where(mask[:, :, None], reference.flow(name), 0.0)
        asked = sorted({0, T // 2, T - 1})
        there = depends(name, asked, levels, x, head, lengths, reads_stream)
        S = len(gradients)
        agrees(flow_gradients(trace.loss_grads, name, range(S), (0, T)), gradients, tolerance)
        N = trace.flow_matrix(name)
        assert N.shape == (S, T)
        assert N.dtype == torch.float64
        norms = torch.linalg.vector_norm(gradients.double(), dim=3)
        expected = torch.where(mask, norms, 0.0).sum(2) / mask.sum(1)
        assert torch.equal(~N[:, asked].isnan(), there), name
        floor = float(expected.nan_to_num().max()) * torch.finfo(x.dtype).eps ** 2
        reached = ~N.isnan()
        torch.testing.assert_close(N[reached], expected[reached], rtol=tolerance, atol=floor)
        assert not bool(gradients[~reached].any())
        for s in (0, S // 2, S - 1):
            torch.testing.assert_close(trace.flow_row(s, name), N[s], rtol=tolerance, atol=floor, equal_nan=True)
            agrees(trace.flow_gradient(s, name), gradients[s], tolerance)
        if S > 1:
            total = flow_gradients(trace.loss_grads, name, range(S), (0, T)).sum(0)
            agrees(total, trace[name].grads["h"], tolerance)
    return trace


def loss_of_each_step(y: Tensor, *_: Tensor) -> tuple[None, Tensor]:
    return None, (y.tanh() * torch.linspace(0.5, 1.5, y.shape[2], dtype=y.dtype)).pow(2).sum((1, 2))


def causal_attention(y: Tensor, *_: Tensor) -> tuple[None, Tensor]:
    """Each loss reads all steps up to its own."""
    scores = torch.einsum("tbh,sbh->bts", y, y)
    later = torch.ones(len(y), len(y)).triu(1).bool()
    weights = scores.masked_fill(later, -torch.inf).softmax(2)
    return None, torch.einsum("bts,sbh->tbh", weights, y).pow(2).sum((1, 2))


def of_the_step_before(y: Tensor, *_: Tensor) -> tuple[None, Tensor]:
    """Loss s reads step s − 1, and the first none."""
    return None, torch.cat([y[:1].sum((1, 2)) * 0, y[:-1].pow(2).sum((1, 2))]) if len(y) > 1 else each_step(y)


def one_for_all(y: Tensor, *_: Tensor) -> tuple[None, Tensor]:
    return None, y[len(y) // 2].pow(2).sum() + y[0].sum()


def with_the_stream(y: Tensor, stream: Tensor) -> tuple[None, Tensor]:
    """A residual connection around the last level: each loss reads what that level read, too."""
    width = min(y.shape[2], stream.shape[2])
    return None, (y[..., :width] + stream[..., :width]).pow(3).sum((1, 2))


def with_a_later_stream(y: Tensor, stream: Tensor) -> tuple[None, Tensor]:
    """Loss s reads the level below it one step further than the level itself."""
    return None, each_step(y) + stream.roll(-1, 0).pow(2).sum((1, 2))


HEADS = (loss_of_each_step, causal_attention, of_the_step_before, one_for_all, with_the_stream, with_a_later_stream)


def normalised(y: Tensor, read: Tensor) -> Tensor:
    """Over the batch, step by step."""
    return (y - y.mean(1, keepdim=True)) * (y.var(1, unbiased=False, keepdim=True) + 1e-3).rsqrt()


def residual(y: Tensor, read: Tensor) -> Tensor:
    width = min(y.shape[2], read.shape[2])
    return torch.cat([y[..., :width] + read[..., :width], y[..., width:]], 2)


def delayed(y: Tensor, read: Tensor) -> Tensor:
    """Mixes the steps: each sees the two before it, of which it reads one past the level."""
    return torch.cat([y[:1] * 0, y[:-1]]) + residual(torch.zeros_like(y), read.roll(2, 0))


PIECES = (None, normalised, residual, delayed, lambda y, read: torch.where(y > 0.1, y, 0.5 * y))


def two_levels(T: int = 11) -> Trace:
    levels = (
        Level((a_layer("l0", "gru", 2, 4, 3), a_layer("l0_reverse", "lstm", 2, 3, 3, 1))),
        Level((a_layer("l1", "lstm", 7, 5, 3, 2),), residual),
        Level((a_layer("l2", "rnn", 5, 4, 3, 3),)),
    )
    return trace_stack(levels, batch(T), loss_of_each_step)
