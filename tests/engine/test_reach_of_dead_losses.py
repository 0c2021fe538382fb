"""Which steps a loss reaches is a matter of what it depends on, not of its derivative at these numbers: where a ReLU is
off, the gradient is 0, and only where nothing of the loss hangs on a step there is none."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import TypeAlias

import pytest
import torch
from test_record import noise
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

import engine

F = nn.functional

T, B, H = 6, 2, 4
Loss: TypeAlias = Callable[[Tensor], Tensor]
LATE = torch.zeros(T, 1, 1, dtype=torch.float64)
LATE[3:] = 5.0
FIRST = (torch.arange(T) < 3)[:, None, None]
LATER = torch.ones(T, T).triu(1).bool()[:, :, None]


def off(y: Tensor) -> Tensor:
    """Below 0 in the last three steps, for |y| ≤ 1."""
    return y - LATE + 1.0


def written(y: Tensor) -> Tensor:
    y = off(y)
    y[y < 0] = 0.0
    return y


class Halved(torch.autograd.Function):
    """An operation of somebody's own."""

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, y: Tensor) -> Tensor:
        ctx.save_for_backward(y > 0)
        return torch.where(y > 0, y, 0.0)

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, grad: Tensor) -> Tensor:
        (on,) = ctx.saved_tensors
        return torch.where(on, grad, 0.0)


def causal(y: Tensor) -> Tensor:
    """The largest of all that has been, by a mask that does not hang on y."""
    return y.sum(2)[None].masked_fill(LATER, -10.0).amax(1)[:, :, None]


EACH: dict[str, Loss] = {
    "relu": lambda y: off(y).relu(),
    "relu in place": lambda y: off(y).relu_(),
    "relu under a root": lambda y: off(y).relu() ** 0.5,
    "relu of each step": lambda y: torch.stack([row.relu() for row in off(y)]),
    "clamp": lambda y: off(y).clamp(min=0),
    "clamp to both sides": lambda y: off(y).clamp(0, 0.5),
    "clamp to a tensor": lambda y: off(y).clamp(torch.zeros((), dtype=y.dtype), None),
    "where": lambda y: torch.where(off(y) > 0, y, 0.0),
    "where of a detached one": lambda y: torch.where((off(y.detach()) > 0) | (y.data > 7), y, 0.0),
    "maximum": lambda y: torch.maximum(off(y), torch.zeros_like(y)),
    "minimum": lambda y: torch.minimum(-off(y), torch.zeros_like(y)),
    "fmax": lambda y: torch.fmax(off(y), torch.zeros_like(y)),
    "masked_fill": lambda y: y.masked_fill(off(y) < 0, 0.0),
    "written over": written,
    "hardtanh": lambda y: F.hardtanh(off(y) - 1.0),
    "relu6": lambda y: F.relu6(off(y)),
    "leaky_relu": lambda y: F.leaky_relu(off(y), 0.0),
    "hardsigmoid": lambda y: F.hardsigmoid(9 * off(y)),
    "hardswish": lambda y: F.hardswish(off(y)),
    "softshrink": lambda y: F.softshrink(y, 2.0),
    "hardshrink": lambda y: F.hardshrink(y, 2.0),
    "threshold": lambda y: F.threshold(off(y), 0.0, 0.0),
    "prelu": lambda y: F.prelu(off(y), torch.zeros(1, dtype=y.dtype)),
    "elu": lambda y: F.elu(1e9 * off(y)),
    "huber": lambda y: F.huber_loss(y, y.detach().clamp(-1, 1), reduction="none"),
    "round": lambda y: y.round(),
    "sign": lambda y: y.sign(),
    "largest unit": lambda y: y.max(2, keepdim=True)[0],
    "largest of sorted": lambda y: y.sort(2)[0][:, :, -1:],
    "norm of 0": lambda y: off(y).relu().norm(dim=2, keepdim=True),
    "0 under a quotient": lambda y: off(y).relu() / off(y).relu().sum((1, 2), keepdim=True).clamp(min=0.1),
    "triplet": lambda y: F.triplet_margin_loss(y, LATE.expand_as(y) - 1, 9 * y - LATE, reduction="none")[:, :, None],
    "margins": lambda y: torch.stack([F.multi_margin_loss(row, torch.tensor([0, 1]), margin=0.1) for row in y])[
        :, None, None
    ],
    "checkpointed": lambda y: checkpoint(lambda z: off(z).relu(), y, use_reentrant=False),
    "mapped": lambda y: torch.func.vmap(lambda row: row.relu())(off(y)),
    "one's own": lambda y: Halved.apply(off(y)),
    "softmax": lambda y: (1e4 * y).softmax(2)[:, :, :1],
    "running largest": lambda y: y.cummax(0)[0],
    "largest of a window": lambda y: F.max_pool1d(y.permute(1, 2, 0), 3, 1, 1).permute(2, 0, 1),
    "causal": causal,
}
ONE: dict[str, Loss] = {
    "the largest step": lambda y: y.max(0)[0],
    "the largest of all": lambda y: y.max(),
    "amax": lambda y: y.amax(0),
    "median": lambda y: y.median(0)[0],
    "the smallest of sorted": lambda y: y.sort(0)[0][0],
    "the largest two": lambda y: y.topk(2, 0)[0],
    "pooled": lambda y: F.adaptive_max_pool1d(y.permute(1, 2, 0), 1),
    "gathered where it is largest": lambda y: y.gather(0, y.argmax(0, keepdim=True)),
    "those above": lambda y: y[y > 0.9],
    "those above, selected": lambda y: y.masked_select(y > 0.9),
    # What does not hang on the numbers:
    "a list of steps": lambda y: y[[0, 2]],
    "an index of steps": lambda y: y[torch.tensor([1, 2])],
    "steps gathered": lambda y: y.gather(0, torch.full((1, B, H), 2)),
    "a mask of steps": lambda y: torch.where(FIRST, y, 0.0),
    "a mask that is expanded": lambda y: y.where(FIRST.expand_as(y), torch.zeros_like(y)),
    "a mask of its shape": lambda y: torch.where(torch.arange(len(y))[:, None, None] < 3, y, 0.0),
    "filled at a mask": lambda y: y.masked_fill(~FIRST, 0.0),
    "selected by a mask": lambda y: y.masked_select(FIRST),
    "steps that a target ignores": lambda y: F.cross_entropy(
        y.flatten(0, 1), torch.tensor([1, 2] * 3 + [-100] * 6), reduction="sum"
    ),
}


def depends(loss: Loss, y: Tensor) -> Tensor:
    """(losses, T) bool: whether other numbers at a step change the loss; many are tried."""
    found = torch.zeros(len(loss(y).reshape(-1)), T, dtype=torch.bool)
    for draw in range(60):
        base = noise(T, B, H, seed=2 * draw) * 3.0 ** (draw % 4 - 1)
        for k in range(T):
            other = base.clone()
            other[k] = 4.0 * noise(B, H, seed=2 * draw + 1)
            found[:, k] |= (loss(base) != loss(other)).reshape(-1)
    return found


def expected(model: nn.GRU, x: Tensor, loss: Loss) -> Tensor:
    """(losses, T): ‖∂L_s/∂h_k‖ by autograd on the loop, NaN where k is behind every step that the loss depends on."""
    h, hs = torch.zeros(B, H, dtype=x.dtype), []
    weights = [getattr(model, f"{name}_l0") for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
    for x_t in x:
        h = torch.gru_cell(x_t, h, *weights)
        hs.append(h)
    losses = loss(torch.stack(hs)).reshape(-1)
    rows = []
    for one in losses:
        grads = torch.autograd.grad(one, hs, retain_graph=True, allow_unused=True)
        rows.append([torch.zeros(()) if g is None else g.norm(dim=1).mean() for g in grads])
    read = depends(loss, torch.stack(hs).detach())
    last = torch.where(read.any(1), T - 1 - read.flip(1).int().argmax(1), -1)
    return torch.tensor(rows, dtype=x.dtype).masked_fill(torch.arange(T) > last[:, None], torch.nan)


def assert_reaches(loss: Loss) -> None:
    model, x = nn.GRU(3, H, dtype=torch.float64), noise(T, B, 3)
    with torch.no_grad():
        for weight in model.parameters():
            weight.copy_(noise(*weight.shape, seed=weight.numel()))
    found = engine.trace(model, x, loss=loss).flow_matrix()
    torch.testing.assert_close(found, expected(model, x, loss), rtol=1e-10, atol=1e-14, equal_nan=True)


@pytest.mark.parametrize("loss", EACH)
def test_a_derivative_of_0_is_a_0_and_not_a_step_out_of_reach(loss: str) -> None:
    assert_reaches(lambda y: EACH[loss](y).sum((1, 2)))


@pytest.mark.parametrize("loss", ONE)
def test_what_the_numbers_chose_is_reached_and_what_is_fixed_stays_fixed(loss: str) -> None:
    assert_reaches(lambda y: ONE[loss](y).sum())


@pytest.mark.parametrize("name", ["relu", "clamp", "where", "maximum", "relu6"])
def test_a_long_trace_says_the_same(name: str) -> None:
    def of_steps(y: Tensor, steps: slice) -> Tensor:
        whole = torch.zeros(T, B, H, dtype=y.dtype)
        whole = torch.cat([whole[: steps.start], y, whole[steps.stop :]])
        return EACH[name](whole).sum((1, 2))[steps]

    model, x = nn.GRU(3, H, dtype=torch.float64), noise(T, B, 3)
    long = engine.trace_long(model, x, loss=of_steps, stretch=2)
    found = long.flow_matrix("l0", losses=range(T), steps=(1, T))
    wanted = expected(model, x, lambda y: EACH[name](y).sum((1, 2)))
    torch.testing.assert_close(found, wanted, rtol=1e-10, atol=1e-14, equal_nan=True)
    assert torch.equal(found[3:].tril(2).isnan(), torch.zeros(3, T, dtype=torch.bool))


def test_losses_that_autograd_makes_0_by_0_of_do_not_reach_each_other() -> None:
    """√0 has no derivative: its own row is NaN by the numbers, but which steps it depends on is known."""
    model, x = nn.GRU(3, H, dtype=torch.float64), noise(T, B, 3)
    trace = engine.trace(model, x, loss=lambda y: (y - y.detach()).pow(2).sum((1, 2)).sqrt())
    assert torch.equal(trace.loss_grads.reach("l0"), torch.ones(T, T).tril().bool())


def test_asking_for_it_loads_no_compiler() -> None:
    """It would be two seconds of the first flow matrix."""
    asked = """
import sys, torch, engine
trace = engine.trace(torch.nn.GRU(2, 3), torch.ones(4, 1, 2), loss=lambda y: y.relu().sum((1, 2)))
assert not trace.flow_matrix().tril().isnan().any()
assert "torch._dynamo" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", asked], check=True)


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor")  # the compiler looks at it
def test_a_loss_that_is_compiled_whole_is_traced_and_reaches_the_same() -> None:
    compiled = torch.compile(lambda y: torch.where(off(y) > 0, y, 0.0).relu(), backend="eager", fullgraph=True)
    for _ in range(2):
        assert_reaches(lambda y: compiled(y).sum((1, 2)))
