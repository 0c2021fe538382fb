"""Ticks for gates that saturate and units that are dead, on values made by hand and held to engine.saturation."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

import engine
from engine.events import of_layers
from engine.flat_events import flat_events
from engine.layer_trace import LayerTrace
from engine.saturation import saturation


def layer(kind: type[torch.nn.RNNBase], *, T: int = 6, B: int = 5, H: int = 4, **options: object) -> LayerTrace:
    torch.manual_seed(3)
    made = kind(2, H, **options)  # type: ignore[arg-type]
    return engine.trace(made, torch.randn(T, B, 2), loss=total).layer


def total(out: Tensor) -> Tensor:
    return out.sum()


def with_values(made: LayerTrace, **values: Tensor) -> LayerTrace:
    return replace(made, values={**made.values, **values})


def gate(made: LayerTrace, saturated: dict[int, int], end: float = 0.99) -> Tensor:
    """0.5 everywhere, but for so many entries of a step (from 1)."""
    found = torch.full_like(made.values["h"], 0.5)
    for t, count in saturated.items():
        found[t - 1].view(-1)[:count] = end
    return found


def test_a_gate_saturates_at_the_first_step_with_more_than_nine_tenths_at_its_ends() -> None:
    made = layer(torch.nn.LSTM)
    (event,) = flat_events(with_values(made, f=gate(made, {2: 18, 4: 19, 5: 20})))  # of 20: 18 are not more than 90 %
    assert (event.kind, event.phase, event.step, event.position(6)) == ("saturated", "forward", 4, 3)
    assert "forget gate f" in event.sentence
    assert "95 %" in event.sentence
    assert "0 below 0.05, 19 above 0.95" in event.sentence


@pytest.mark.parametrize("end", [0.049, 0.951])
def test_both_ends_count_from_the_thresholds_on(end: float) -> None:
    made = layer(torch.nn.GRU)
    (event,) = flat_events(with_values(made, z=gate(made, {3: 20}, end)))
    assert event.step == 3
    assert flat_events(with_values(made, z=gate(made, {3: 20}, 0.5 + (end - 0.5) * 0.99))) == ()


def test_the_share_is_that_of_the_saturation() -> None:
    made = layer(torch.nn.LSTM, T=30, H=3)
    sharp = {s: torch.sigmoid(40 * made.values[f"a_{s}"]) for s in "ifo"}
    made = with_values(made, **sharp)
    for event in flat_events(made):
        symbol = event.sentence.split(" saturates")[0][-1]
        found = saturation(made)[symbol]
        share = found.low_by_step + found.high_by_step
        assert int(torch.nonzero(share > 0.9)[0]) + 1 == event.step


def test_a_reverse_layer_meets_it_from_its_own_end() -> None:
    torch.manual_seed(0)
    net = torch.nn.LSTM(2, 4, bidirectional=True)
    made = engine.trace(net, torch.randn(6, 5, 2), loss=total).layers["l0_reverse"]
    (event,) = flat_events(with_values(made, o=gate(made, {2: 20, 5: 20})))
    assert (event.step, event.reverse, event.position(6)) == (5, True, 1)


def test_a_held_gate_is_no_event() -> None:
    made = layer(torch.nn.LSTM)
    full = gate(made, dict.fromkeys(range(1, 7), 20), 1.0)
    assert {e.kind for e in flat_events(with_values(made, f=full))} == {"saturated", "dead"}
    held = replace(with_values(made, f=full), held={"f": torch.ones_like(full)})  # type: ignore[dict-item]
    assert flat_events(held) == ()


def test_dead_units_are_those_of_the_saturation_and_stand_at_the_end_of_the_forward_pass() -> None:
    made = layer(torch.nn.RNN, nonlinearity="relu", T=7, H=6)
    a = made.values["a"].abs() + 0.1
    a[:, :, 1] = -1.0
    a[:, :, 4] = 0.0
    a[:6, :, 5] = -1.0  # alive at the last step
    made = with_values(made, a=a, h=a.relu())
    (event,) = flat_events(made)
    assert torch.nonzero(saturation(made)["h"].dead).flatten().tolist() == [1, 4]
    assert (event.kind, event.phase, event.step, event.position(7)) == ("dead", "forward", 7, 6)
    assert "2 units of h (1, 4) are dead" in event.sentence


def test_a_tanh_is_dead_only_where_its_slope_is_exactly_zero() -> None:
    made = layer(torch.nn.RNN)
    nearly = torch.full_like(made.values["h"], 0.9999)
    assert flat_events(with_values(made, h=nearly)) == ()
    assert "4 units of h (0, 1, 2, 3)" in flat_events(with_values(made, h=torch.ones_like(nearly)))[0].sentence


def test_padding_neither_saturates_nor_keeps_a_unit_alive() -> None:
    torch.manual_seed(1)
    net = torch.nn.RNN(2, 3, nonlinearity="relu")
    packed = torch.nn.utils.rnn.pack_padded_sequence(torch.randn(6, 2, 2), torch.tensor([6, 3]))
    made = engine.trace(net, packed, loss=total).layer
    assert made.mask is not None
    a = torch.full_like(made.values["a"], 1.0)
    a[:, :, 2] = torch.where(made.mask, -1.0, 1.0)
    (event,) = flat_events(with_values(made, a=a, h=a.relu()))
    assert "1 unit of h (2) is dead" in event.sentence


def test_layers_say_whose_event_it_is() -> None:
    torch.manual_seed(0)
    made = engine.trace(torch.nn.LSTM(2, 4, num_layers=2), torch.randn(6, 5, 2), loss=total)
    sharp = with_values(made.layers["l1"], i=gate(made.layers["l1"], {3: 20}, 0.0))
    found = of_layers({"l0": made.layers["l0"], "l1": sharp})
    assert [(e.kind, e.layer, e.step) for e in found] == [("saturated", "l1", 3)]
    assert found[0].sentence.startswith("Layer 2: The input gate i saturates")
