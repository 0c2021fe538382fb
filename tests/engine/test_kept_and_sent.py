"""What an analysis answers cannot be changed, and can be sent to another process, or says in a sentence why not."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import pytest
import torch
from spec_data import one_sentence
from torch import Tensor, nn

import engine


def lstm() -> nn.LSTM:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.LSTM(2, 3, num_layers=2)


def trace() -> engine.Trace:
    x = torch.randn(6, 2, 2, generator=torch.Generator().manual_seed(1))
    return engine.trace(lstm(), x, loss=lambda y: y.pow(2).sum((1, 2)))


ANSWERS = {
    "truncated": lambda made: made.truncated(2, 4),
    "route shares": lambda made: made["l0"].route_shares(),
    "trace": lambda made: made,
    "layer": lambda made: made["l1"],
}


def mappings(found: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(found, Mapping):
        yield found
        for part in found.values():
            yield from mappings(part)
    elif is_dataclass(found):
        for one in fields(found):
            yield from mappings(getattr(found, one.name))


@pytest.mark.parametrize("asked", ANSWERS)
def test_no_mapping_of_an_answer_can_be_written_to_however_deep_it_lies(asked: str) -> None:
    found = [part for part in mappings(ANSWERS[asked](trace())) if part]
    assert found
    for part in found:
        with pytest.raises(TypeError, match="does not support item assignment"):
            part[next(iter(part))] = None  # type: ignore[index]
        with pytest.raises(TypeError, match="does not support item deletion"):
            del part[next(iter(part))]  # type: ignore[attr-defined]


@pytest.mark.parametrize("asked", ANSWERS)
def test_an_answer_survives_pickle_and_deepcopy(asked: str) -> None:
    made = ANSWERS[asked](trace())
    for again in (pickle.loads(pickle.dumps(made)), copy.deepcopy(made)):
        pairs = zip(mappings(made), mappings(again), strict=True)
        for ours, theirs in pairs:
            assert list(ours) == list(theirs)
            for key, part in ours.items():
                assert not isinstance(part, Tensor) or torch.equal(part.nan_to_num(7.0), theirs[key].nan_to_num(7.0))


def test_truncated_gradients_that_were_sent_are_asked_as_before() -> None:
    made = trace().truncated(2, 4)
    again = pickle.loads(pickle.dumps(made))
    assert again.recurrent == made.recurrent
    assert again.reach(5) == made.reach(5)
    assert all(torch.equal(again.weight_grads[name], grad) for name, grad in made.weight_grads.items())


def test_what_cannot_be_pickled_says_so_in_a_sentence() -> None:
    model, x = lstm(), torch.ones(50, 1, 2)
    long = engine.trace_long(model, x, lambda y, steps: y.sum((1, 2)), stretch=20)
    with engine.record(model) as rec:
        model(x)[0].sum().backward()
    for made, way_out in ((long, r"trace\.window"), (long["l0"], r"trace\.window"), (rec, r"rec\[name\]")):
        with pytest.raises(engine.DataError, match=way_out) as error:
            pickle.dumps(made)
        assert one_sentence(str(error.value))
    assert pickle.loads(pickle.dumps(long.window(3, 9))).audit().passed
    assert pickle.loads(pickle.dumps(rec.trace)).audit().passed
    assert torch.equal(copy.deepcopy(long).losses, long.losses)
