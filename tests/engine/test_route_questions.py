"""What is asked of the routes: wrong questions, the caller's switches, the user's own module."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from route_layers import (
    at_the_end,
    draw,
    layer_of,
)
from torch import Tensor, nn

import engine
from engine.route_products import carried, product
from engine.route_shares import route_shares
from engine.routes import jacobians, vjp


def test_wrong_questions_are_answered_with_a_sentence() -> None:
    layer = layer_of("lstm", T=4, B=2, H=3)
    rows = draw(1, 6)
    questions: dict[str, Callable[[], object]] = {
        "Step 5 .*1 to 4": lambda: jacobians(layer, 5),
        "Step 0 .*1 to 4": lambda: jacobians(layer, [1, 0]),
        "a tuple": lambda: jacobians(layer, (3, 2)),
        "a list of 3.*a tuple": lambda: jacobians(layer, (1, 2, 3)),
        "'all'.*a tuple": lambda: jacobians(layer, "all"),
        "slice.*a tuple": lambda: jacobians(layer, slice(1, 3)),
        "1.5": lambda: jacobians(layer, [1.5]),
        "empty": lambda: jacobians(layer, []),
        "A step is true": lambda: jacobians(layer, True),
        "sample is 2.*has 2": lambda: jacobians(layer, 1, 2),
        "sample is -1": lambda: route_shares(layer, -1),
        "sample is 'x'": lambda: carried(layer, sample="x"),
        "'leak' is no route of the LSTM.*carousel, i, f, g, o": lambda: carried(layer, "leak"),
        "routes is empty": lambda: product(layer, 2, 1, 0, []),
        "routes is 3": lambda: vjp(layer, 1, rows, routes=3),
        r"0 ≤ t0 < t1 ≤ 4": lambda: product(layer, 2, 2),
        "t1 is 2.5": lambda: product(layer, 2.5, 1),
        "start is 'x'": lambda: carried(layer, start="x"),
        r"shape \(1, 5\).*6": lambda: vjp(layer, 1, rows[:, :5]),
        "cotangents is 3": lambda: vjp(layer, 1, 3),
        "int64": lambda: vjp(layer, 1, rows.long()),
        "t is nothing": lambda: vjp(layer, None, rows),
    }
    for sentence, ask in questions.items():
        with pytest.raises(engine.DataError, match=sentence) as refused:
            ask()
        assert str(refused.value).endswith(".")
        assert "\n" not in str(refused.value)


def test_the_answers_are_the_same_under_the_caller_s_switches() -> None:
    layer = layer_of("lstm", T=4, B=2, H=8, dtype=torch.float32)
    rows = draw(3, 16, dtype=torch.float32)

    def ask() -> list[Tensor]:
        shares = route_shares(layer)
        answers = [*jacobians(layer).values(), *shares.shares.values(), *shares.log10_norms.values(), shares.ratio]
        return [*answers, vjp(layer, 2, rows), product(layer, 4, 0).matrix, *carried(layer).values()]

    expected = ask()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        cast = ask()
    with torch.inference_mode():
        inside = ask()
    for ours, also, theirs in zip(cast, inside, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0, equal_nan=True)
        torch.testing.assert_close(also, theirs, rtol=0, atol=0, equal_nan=True)
        assert not also.is_inference()
        assert not ours.requires_grad


def test_the_user_s_own_module_is_enough() -> None:
    layer = engine.trace(nn.GRU(2, 3), torch.ones(5, 1, 2), loss=at_the_end)["l0"]
    assert sum(route_shares(layer).shares.values()).allclose(torch.ones(5, 1, dtype=torch.float64))
