"""A recorded loop of an LSTMCell whose loss reads c: its own ∂L/∂c stands in the panel, and every equation adds up."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from cell_reading import evaluated
from pytestqt.qtbot import QtBot
from torch import Tensor, nn

import engine
from engine import container, operations
from engine.requests import Excerpt, Look, Recorded
from explorer.cell.circuit import CircuitView
from explorer.cell.equations import sections
from explorer.cell.equations_view import EquationsView
from explorer.cell.reach import Reached

T, H, SAMPLE, UNIT = 7, 4, 1, 2
States = list[tuple[Tensor, Tensor]]
LOSSES: dict[str, Callable[[States], Tensor]] = {
    "every h and every c": lambda states: sum((c.exp() * h).sum() for h, c in states),
    "the last c": lambda states: states[-1][1].pow(2).sum(),
    "c in the middle, the last h": lambda states: states[2][1].sin().sum() + states[-1][0].sum(),
}
NONE_ON_C: Callable[[States], Tensor] = lambda states: sum(h.pow(2).sum() for h, _ in states)  # noqa: E731


def loop(model: nn.LSTMCell) -> States:
    x = torch.randn(T, 2, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    state, found = None, []
    for x_t in x:
        state = model(x_t, state)
        found.append(state)
    return found


def recorded(loss: Callable[[States], Tensor], path: Path, unit: int | None = UNIT) -> tuple[Excerpt, States]:
    """What the window shows of it, and the states with autograd's own gradients of the loss alone: nothing else
    reaches them."""
    torch.manual_seed(1)
    model = nn.LSTMCell(3, H, dtype=torch.float64)
    with engine.record(model) as rec:
        loss(loop(model)).backward()
    rec.trace.save(path)
    shown = operations.run("excerpt", Look(Recorded(str(path), container.probe(path).sha256), (), SAMPLE, unit))
    assert isinstance(shown, Excerpt)
    free = [(h.detach().requires_grad_(), c.detach().requires_grad_()) for h, c in loop(model)]
    loss(free).backward()
    return shown, free


@pytest.mark.parametrize("name", LOSSES)
def test_every_equation_adds_up_and_the_losss_own_gradients_are_autograds(name: str, tmp_path: Path) -> None:
    shown, free = recorded(LOSSES[name], tmp_path / "a.gflow")
    for place, state in enumerate("hc"):
        for step in range(1, T + 1):
            grad = free[step - 1][place].grad
            expected = 0.0 if grad is None else float(grad[SAMPLE, UNIT])
            assert shown.cell_series[f"grads.{state}_direct"][step - 1] == pytest.approx(expected, rel=1e-12)
    found = sections("lstm", cell_loss=True)
    assert "δcₜ = δcₜ₊₁ ⊙ fₜ₊₁ + δhₜ ⊙ uₜ + eᶜₜ" in [one.plain for section in found for one in section.equations]
    for section in found:
        for equation in section.equations:
            for step in range(1, T + 1):
                left, right, largest = evaluated(equation, shown, step)
                assert abs(left - right) <= 1e-12 * max(largest, 1e-30), f"t = {step}: {equation.plain}"


def test_the_term_stands_in_the_views_only_where_a_loss_reads_c(qtbot: QtBot, tmp_path: Path) -> None:
    circuit, equations = CircuitView(), EquationsView()
    for view in (circuit, equations):
        qtbot.addWidget(view)
        view.resize(300, 400)
    for unit in (UNIT, None):
        for loss, there in ((LOSSES["every h and every c"], True), (NONE_ON_C, False)):
            shown, free = recorded(loss, tmp_path / f"{unit}{there}.gflow", unit)
            for view in (circuit, equations):
                view.set_excerpt(shown)
                view.set_moment(4, Reached(True, True))
            tokens = [token.plain for one in equations.shown() for token in one.equation.tokens]
            named = {pick.name: pick for pick in circuit.picks()}
            assert (("eᶜₜ" in tokens), ("e^c_t" in named)) == (there, there)
            if there:
                own = free[3][1].grad[SAMPLE]
                expected = float(own.norm() if unit is None else own[unit])
                assert float(named["e^c_t"].exact) == pytest.approx(expected, rel=1e-12)
                boxes = [pick.box for pick in circuit.picks() if pick.key.startswith("label")]
                assert not any(a.intersects(b) for n, a in enumerate(boxes) for b in boxes[:n])
