"""What is captured is captured once, follows its numbers and is let go; what cannot be captured runs step by step."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
import torch
from captured_again import Again
from captured_layers import T, assert_same, capturing, case_of, way_back
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import engine
from engine import bptt
from engine.fast import captured, march
from engine.fast.captured import Captures, Made
from engine.fast.march import Way, stretches


@settings(max_examples=60, deadline=None)
@given(first=st.integers(0, 20), count=st.integers(1, 300), longest=st.integers(0, 200), backwards=st.booleans())
def test_stretches_are_all_steps_once_and_in_order(first: int, count: int, longest: int, backwards: bool) -> None:
    found = list(stretches(Way(slice(first, first + count), backwards, 1), longest))
    steps = [t for one in (found[::-1] if backwards else found) for t in range(one.start, one.stop)]
    assert steps == list(range(first, first + count))
    lengths = [one.stop - one.start for one in found]
    assert set(lengths) <= set(march.LENGTHS)
    assert max(lengths) <= max(1, longest)
    assert lengths == sorted(lengths, reverse=True), "the long ones first: as few as there can be"


def test_a_layer_is_captured_once_and_follows_its_numbers(how: Again) -> None:
    """Other weights, inputs and lengths of the same shapes are the same graphs."""
    case = case_of("GRU, norm, lengths", torch.float64, "cpu")
    other = replace(
        case,
        layer=case.layer.over(
            T,
            {name: weight * 0.7 for name, weight in case.layer.weights.items()},
            {"lengths": torch.tensor([3, T, 0])},
        ),
        x=case.x.flip(1) * 2,
    )
    expected = [bptt.forward_stepwise(one.layer, one.x, one.initial) for one in (case, other)]
    with capturing(how, "cpu"):
        found = bptt.forward_stepwise(case.layer, case.x, case.initial)
        captures = how.captures
        again = bptt.forward_stepwise(other.layer, other.x, other.initial)
        assert (captures, how.captures) == (3, 3)  # of 16, 4 and 1 steps
        assert how.begun == 2
        longer = case_of("GRU, norm, lengths", torch.float64, "cpu", T + 21)
        bptt.forward_stepwise(longer.layer, longer.x, longer.initial)
        assert how.captures == 3, "another number of steps needs no other graphs"
        cut = replace(case.layer, cuts=frozenset({"leak"}))
        bptt.forward_stepwise(cut, case.x, case.initial)
        assert how.captures == 6
    assert_same(found, expected[0])
    assert_same(again, expected[1])


def test_what_was_handed_out_stays(how: Again) -> None:
    case = case_of("LSTM, norm", torch.float64, "cpu")
    with capturing(how, "cpu"):
        values = bptt.forward_stepwise(case.layer, case.x, case.initial)
        layer, _, before, direct, final = way_back(case, values)
        back = bptt.backward_stepwise(layer, values, before, direct, final)
        copies = [{name: array.clone() for name, array in made.items()} for made in (values, back.grads, back.initial)]
        bptt.forward_stepwise(case.layer, -case.x, case.initial)
        bptt.backward_stepwise(layer, values, before, -direct, final)
    for made, copy in zip((values, back.grads, back.initial), copies, strict=True):
        assert_same(made, copy)


def test_few_are_kept_and_the_oldest_goes_first(how: Again, monkeypatch: pytest.MonkeyPatch) -> None:
    def function(fixed: Any, own: Mapping[str, Tensor], carried: Mapping[str, Tensor]) -> Made:
        return {"y": own["x"] * 2}, dict(carried)

    def find(captures: Captures, size: int) -> object:
        return captures.find("double", function, {}, {"x": torch.ones(size)}, {"h": torch.ones(1)}, how)

    few = Captures(kept=2)
    one, two = find(few, 1), find(few, 2)
    assert find(few, 1) is one
    find(few, 3)
    assert (len(few), how.captures) == (2, 3)
    assert find(few, 1) is one
    assert find(few, 2) is not two
    small = Captures(memory=4000)
    find(small, 100)  # 400 bytes of x, and twice 400 of y
    assert small.nbytes == 3 * 400 + 3 * 4
    find(small, 200)
    assert (len(small), small.nbytes) == (2, 3 * 300 * 4 + 6 * 4)
    find(small, 300)
    assert (len(small), small.nbytes) == (1, 3 * 300 * 4 + 3 * 4)
    find(small, 10**5)
    assert len(small) == 1, "the one that is needed now is there, whatever it takes"
    small.clear()
    assert len(small) == 0


class Refusing(Again):
    def capture(self, function: Callable[[], Made], device: torch.device) -> Any:
        self.captures += 1
        raise RuntimeError("CUDA error: operation not permitted when stream is capturing\nCompile with …")


def test_where_it_cannot_be_captured_the_steps_go_one_by_one_and_say_so_once(
    how: Again, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(captured, "_REFUSED", set())
    case, refusing = case_of("LSTM, norm", torch.float32, "cpu"), Refusing()
    expected = bptt.forward_stepwise(case.layer, case.x, case.initial)
    with capturing(refusing, "cpu"):
        with pytest.warns(
            engine.DeviceWarning, match=r"^A layer's steps .*\(CUDA error: .* is capturing\); .*longer\.$"
        ):
            found = bptt.forward_stepwise(case.layer, case.x, case.initial)
        assert refusing.captures == 3
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            again = bptt.forward_stepwise(case.layer, case.x, case.initial)
        assert refusing.captures == 3, "it is not tried again"
    assert_same(found, expected)
    assert_same(again, expected)


def test_only_small_steps_of_a_gpu_are_captured() -> None:
    like = torch.zeros(4, 16)
    assert not march.pays(like, 1000, 4)
    with capturing(Again(), "cpu"):
        assert march.pays(like, 1000, 4)
        assert not march.pays(like, march.LEAST - 1, 4)
        assert not march.pays(torch.zeros(512, 1024), 1000, 4)
        assert not march.pays(torch.zeros(0, 16), 1000, 4)
