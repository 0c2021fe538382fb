"""Tracks as texts: read, written, held against a network, and the arrays that they ask for."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from engine import tracks
from engine.errors import SpecError
from engine.network import Network
from engine.operations import run
from engine.quantities import keys
from engine.requests import Computed, Excerpt, Look
from engine.spec import AddingTask, Experiment, LayerSpec, ModelSpec
from engine.tracks import TrackSpec, check, layer_kinds, parse

STACK = ModelSpec(
    layers=(
        LayerSpec(cell="gru", hidden_size=3, bidirectional=True),
        LayerSpec(cell="rnn", hidden_size=4, activation="relu"),
        LayerSpec(cell="lstm", hidden_size=5, bidirectional=True, layer_norm=True),
    )
)
TEXTS = (
    "network",
    "losses",
    "flow_training",
    "norms",
    "norms?of=l0.grads.h,l1_reverse.grads.a",
    "values.h",
    "l10_reverse.grads.a_f",
    "values.f?order=cluster&sample=mean&show=magnitude&unit=3",
    "l0.share?weight=weight_ih",
    "routes",
)


@pytest.mark.parametrize("text", TEXTS)
def test_a_track_reads_back_as_it_was_written(text: str) -> None:
    assert str(parse(text)) == text


def test_what_is_the_default_is_not_written_and_the_order_of_options_does_not_matter() -> None:
    assert str(parse("values.h?unit=2&sample=chosen&order=mean")) == "values.h?order=mean&unit=2"
    assert str(parse("values.h?order=mean").having(order="index")) == "values.h"


def test_gradients_show_their_magnitude_by_default_and_values_their_sign() -> None:
    for what, default, other in (("grads.h", "magnitude", "signed"), ("values.h", "signed", "magnitude")):
        assert parse(what).option("show") == default
        assert str(parse(what).having(show=default)) == what
        assert str(parse(f"{what}?show={other}")) == f"{what}?show={other}"


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "no track"),
        ("nothing", "accepted are network"),
        ("l0.network", "write 'network'"),
        ("l01.values.h", "no track"),
        ("values.h?size=3", "no option"),
        ("values.h?unit=1&unit=2", "once each"),
        ("values.h?unit=-1", "whole number"),
        ("values.h?order=size", "accepted are index"),
        ("norms?of=network", "no quantity"),
        ("norms?of=", "no track"),
        ("norms?of=grads.h,grads.h", "different"),
        ("values." + "h" * 500, "characters"),
        ("losses?weight=weight_hh", "none"),
    ],
)
def test_a_text_that_is_no_track_says_what_would_be_one(text: str, word: str) -> None:
    with pytest.raises(SpecError, match=word):
        parse(text)


@pytest.mark.parametrize("text", ["values.h", "l0_reverse.values.z", "l1.grads.a", "values.s_f", "l2.values.c?unit=4"])
def test_what_a_network_has_is_accepted(text: str) -> None:
    check(parse(text), layer_kinds(STACK.layers))


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("l3.values.h", "there are l0, l0_reverse, l1, l2, l2_reverse"),
        ("l1_reverse.values.h", "there are"),
        ("l1.values.c", "it has h, a"),
        ("l0.values.s_z", "it has z, r"),
        ("l2.values.c?unit=5", "0 to 4"),
        ("norms?of=l0.grads.c", "l0.grads.c"),
    ],
)
def test_what_a_network_does_not_have_is_said(text: str, word: str) -> None:
    with pytest.raises(SpecError, match=word):
        check(parse(text), layer_kinds(STACK.layers))


def test_every_array_of_every_layer_is_the_traces_own() -> None:
    experiment = Experiment(model=STACK, task=AddingTask(steps=6, batch_size=4, shortest=3), device="cpu")
    trace = Network(experiment).trace()
    wanted = [f"{name}.{key}" for name, kind in layer_kinds(STACK.layers).items() for key in keys(kind.cell)]
    found = run("excerpt", Look(Computed(experiment), (*wanted, "l9.values.h", "l1.values.c"), sample=2))
    assert isinstance(found, Excerpt)
    assert set(found.arrays) == set(wanted)
    everything = trace.numpy()
    for key in wanted:
        assert np.array_equal(found.arrays[key], everything[key][:, 2]), key
    assert list(found.layers) == list(trace.layers)
    assert found.of() is found.layers["l2"]
    assert (found.of("l0").input_size, found.of("l1").input_size) == (2, 6)


def test_a_mean_over_the_batch_counts_the_samples_that_have_the_step() -> None:
    experiment = Experiment(model=STACK, task=AddingTask(steps=9, batch_size=3, shortest=2), device="cpu", seed=3)
    network = Network(experiment)
    batch, trace = network.batch(), network.trace()
    assert batch.lengths is not None
    assert int(batch.lengths.min()) < 9
    look = Look(Computed(experiment), ("l1.grads.h@mean", "l1.values.a@mean"))
    found = run("excerpt", look)
    layer = trace["l1"]
    for t in range(9):
        there = [b for b in range(3) if t < int(batch.lengths[b])]
        sizes, values = layer.grads["h"][t, there].abs().double(), layer.values["a"][t, there].double()
        for key, expected in (("l1.grads.h@mean", sizes), ("l1.values.a@mean", values)):
            if there:
                torch.testing.assert_close(torch.tensor(found.arrays[key][t]), expected.mean(0), rtol=1e-12, atol=0)
            else:
                assert np.isnan(found.arrays[key][t]).all()


def test_the_keys_that_tracks_want_name_their_layer() -> None:
    asked = tuple(map(parse, ("network", "values.h", "l2.values.h", "l0.grads.h?sample=mean", "l9.values.h", "losses")))
    kinds = layer_kinds(STACK.layers)
    network = tuple(f"{name}.values.h" for name in kinds)
    assert tracks.wanted(asked, kinds) == (*network, "attention", "l0.grads.h@mean")
    assert TrackSpec("share", "l1").key_of(tuple(kinds)) == "l1.share.weight_hh"


def test_the_flow_over_training_wants_no_array_of_a_trace_and_is_on_the_scale_of_gradients() -> None:
    layers = layer_kinds((LayerSpec(cell="rnn", hidden_size=2),))
    track = parse("flow_training")
    assert tracks.wanted((track,), layers) == ()
    assert (track.on_gradients, track.is_quantity, track.key_of(tuple(layers))) == (True, False, "flow_training")
    assert [parse(text).on_gradients for text in ("norms", "l0.grads.h", "values.h", "losses")] == [True] * 2 + [
        False
    ] * 2
    with pytest.raises(SpecError, match="flow_training is of the whole network"):
        parse("l0.flow_training")
