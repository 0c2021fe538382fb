"""What holds for every kind of clipping, whatever the shapes, sizes and dtypes of the gradients."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from engine.clipping import EPSILON, Clipped, clip_step, clipped, clipped_step, groups, unit_norms
from engine.norms import norm, total
from engine.spec import ClipKind, ClipSpec

NAMES = ["weight_ih_l0", "weight_hh_l0", "bias_hh_l0_reverse", "weight_hh_l1", "readout.weight", "readout.bias", "gain"]
SIDES = st.integers(1, 4)
SHAPES = st.one_of(
    st.just(()), st.tuples(SIDES), st.tuples(SIDES, SIDES), st.tuples(SIDES, SIDES, SIDES), st.just((1, 1))
)
DTYPES = {torch.float32: (-30, 15), torch.float64: (-290, 290)}
"""Powers of ten at which a float's square is looked after; those that overflow are looked at elsewhere."""


@st.composite
def gradients(draw: st.DrawFn, dtype: torch.dtype | None = None) -> dict[str, Tensor]:
    """Of any shapes; each of a size of its own, some of them zero."""
    dtype = dtype or draw(st.sampled_from(list(DTYPES)))
    # Half of them around 1, where the limits are.
    powers = st.one_of(st.integers(-3, 3), st.integers(*DTYPES[dtype]))
    source = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    found = {}
    for name in draw(st.lists(st.sampled_from(NAMES), min_size=1, unique=True)):
        values = torch.randn(draw(SHAPES), generator=source, dtype=torch.float64)
        found[name] = (values * draw(st.sampled_from([0.0, 1.0, 1.0, 1.0])) * 10.0 ** draw(powers)).to(dtype)
    return found


LIMITS = st.one_of(st.floats(1e-3, 1e3), st.floats(1e-12, 1e12))
BY_NORM = st.sampled_from(["norm", "layer", "parameter"])


def eps(grads: dict[str, Tensor]) -> float:
    return torch.finfo(next(iter(grads.values())).dtype).eps


def slack(grads: dict[str, Tensor]) -> float:
    """Rounding of a norm, a factor and a product, for as many entries as there are."""
    return 1 + eps(grads) * (8 + sum(grad.numel() for grad in grads.values()))


def length(grads: dict[str, Tensor], names: list[str] | None = None) -> float:
    return total(float(norm(grads[name])) for name in names or grads)


def tiny(grads: dict[str, Tensor]) -> float:
    """What rounding to subnormal numbers can add to a norm."""
    info = torch.finfo(next(iter(grads.values())).dtype)
    return info.tiny * info.eps * math.sqrt(sum(grad.numel() for grad in grads.values()))


def cut(grads: dict[str, Tensor], clip: ClipSpec, seed: int = 0) -> tuple[Clipped, dict[str, Tensor]]:
    source = torch.Generator().manual_seed(seed)
    weights = {
        name: (torch.randn(grad.shape, generator=source, dtype=torch.float64) * 10.0 ** (seed % 7 - 4)).to(grad.dtype)
        for name, grad in grads.items()
    }
    return clipped(grads, clip, weights), weights


@settings(max_examples=150, deadline=None)
@given(grads=gradients(), kind=BY_NORM, limit=LIMITS)
def test_no_norm_is_above_its_limit_and_below_it_nothing_changes(
    grads: dict[str, Tensor], kind: ClipKind, limit: float
) -> None:
    clip = ClipSpec(kind=kind, max_norm=limit)
    made = clipped(grads, clip)
    for names in groups(grads, clip).values():
        before = length(grads, names)
        assert length(made.grads, names) <= limit * slack(grads) + tiny(grads)
        if (before + EPSILON) * slack(grads) <= limit:
            assert all(torch.equal(made.grads[name], grads[name]) for name in names)
        if before > (limit + EPSILON) * slack(grads):
            assert length(made.grads, names) < before


@settings(max_examples=150, deadline=None)
@given(grads=gradients(), kind=BY_NORM, limit=LIMITS)
def test_by_norm_the_direction_is_kept(grads: dict[str, Tensor], kind: ClipKind, limit: float) -> None:
    clip = ClipSpec(kind=kind, max_norm=limit)
    made = clipped(grads, clip)
    smallest = torch.finfo(next(iter(grads.values())).dtype).tiny
    for names in groups(grads, clip).values():
        (factor,) = {float(made.factors[name]) for name in names}
        assert 0.0 <= factor <= 1.0
        for name in names:
            expected = grads[name].double() * factor
            error = (made.grads[name].double() - expected).abs()
            # Rounded once; an entry that becomes subnormal keeps fewer digits, as torch's own does.
            assert bool((error <= eps(grads) * (expected.abs() + smallest)).all())
    report = made.report
    if kind == "norm" and report.norm_after > smallest / eps(grads):
        assert abs(report.cosine - 1.0) < 4 * eps(grads)


@settings(max_examples=150, deadline=None)
@given(grads=gradients(), limit=LIMITS)
def test_by_value_every_entry_is_the_nearest_number_within_the_limit(grads: dict[str, Tensor], limit: float) -> None:
    made = clipped(grads, ClipSpec(kind="value", max_value=limit))
    for name, grad in grads.items():
        bound = torch.tensor(limit, dtype=grad.dtype)
        assert bool((made.grads[name].abs() <= bound).all())
        outside = grad.abs() > bound
        assert torch.equal(made.grads[name], torch.where(outside, bound * grad.sign(), grad))
    cosine = made.report.cosine
    assert math.isnan(cosine) or cosine > 0.0, "no entry changes its sign"


@settings(max_examples=150, deadline=None)
@given(grads=gradients(), ratio=LIMITS, seed=st.integers(0, 1000), readout=st.booleans())
def test_no_unit_is_longer_than_its_weights_allow(
    grads: dict[str, Tensor], ratio: float, seed: int, readout: bool
) -> None:
    made, weights = cut(grads, ClipSpec(kind="agc", ratio=ratio, readout=readout), seed)
    for name, grad in grads.items():
        if name.startswith("readout.") and not readout:
            assert torch.equal(made.grads[name], grad)
            continue
        limit = ratio * unit_norms(weights[name]).clamp_min(1e-3)
        before, after = unit_norms(grad), unit_norms(made.grads[name])
        assert bool((after <= limit * slack(grads) + tiny(grads)).all())
        rows = made.grads[name].reshape(before.numel(), -1), grad.reshape(before.numel(), -1)
        kept = (rows[0] == rows[1]).all(1)
        assert bool((kept | (before > limit).reshape(-1)).all()), "below the limit nothing changes"
        short = (before > limit * slack(grads)).reshape(-1)
        torch.testing.assert_close(
            after.reshape(-1)[short],
            limit.expand_as(before).reshape(-1)[short],
            rtol=slack(grads) - 1,
            atol=tiny(grads),
        )


@settings(max_examples=200, deadline=None)
@given(
    grads=gradients(),
    kind=st.sampled_from(["none", "norm", "layer", "parameter", "value", "agc"]),
    limit=LIMITS,
    seed=st.integers(0, 100),
)
def test_nothing_becomes_longer_and_a_second_time_changes_nothing_more(
    grads: dict[str, Tensor], kind: ClipKind, limit: float, seed: int
) -> None:
    clip = ClipSpec(kind=kind, max_norm=limit, max_value=limit, ratio=limit)
    made, weights = cut(grads, clip, seed)
    again = clipped(made.grads, clip, weights)
    # Torch adds 1e-6 to the norm, so a second time takes another 1e-6 / limit. All others: rounding alone.
    second = EPSILON / limit if kind in ("norm", "layer", "parameter") else 0.0
    for name, grad in grads.items():
        before, after, once_more = (found[name].double().abs() for found in (grads, made.grads, again.grads))
        assert bool((after <= before * (1 + 4 * torch.finfo(torch.float64).eps)).all())
        assert bool((once_more >= after * (1 - 1.001 * second - (slack(grads) - 1)) - tiny(grads)).all())
        assert bool((once_more <= after * slack(grads)).all())
        assert made.grads[name].shape == grad.shape
        assert made.grads[name].dtype == grad.dtype
    if kind in ("none", "value"):
        assert all(torch.equal(again.grads[name], made.grads[name]) for name in grads)
    changed = any(not torch.equal(made.grads[name], grads[name]) for name in grads)
    assert made.report.fired or not changed
    assert changed or made.report.norm_after == made.report.norm


@st.composite
def deltas(draw: st.DrawFn) -> dict[str, Tensor]:
    """∂L/∂(states) of one step, or of several: each sample of a size of its own, some of them zero."""
    dtype = draw(st.sampled_from(list(DTYPES)))
    B, H = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    lead = draw(st.sampled_from([(B,), (3, B), ()]))
    source = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    low, high = DTYPES[dtype]
    powers = torch.randint(low, high, (*lead, 1), generator=source)
    near = torch.randint(-2, 3, (*lead, 1), generator=source)
    chosen = torch.where(torch.rand((*lead, 1), generator=source) < 0.6, near, powers).double()
    zero = torch.rand((*lead, 1), generator=source) < 0.1
    sizes = torch.where(zero, 0.0, 10.0**chosen)
    states = draw(st.sampled_from([["h"], ["h", "c"]]))
    return {s: (torch.randn((*lead, H), generator=source, dtype=torch.float64) * sizes).to(dtype) for s in states}


def sample_norms(delta: dict[str, Tensor]) -> Tensor:
    return norm(torch.cat(list(delta.values()), -1), dim=-1)


@settings(max_examples=150, deadline=None)
@given(delta=deltas(), limit=LIMITS)
def test_a_step_is_clipped_sample_by_sample_all_states_together(delta: dict[str, Tensor], limit: float) -> None:
    after, norms, factors = clipped_step(delta, limit)
    assert list(after) == list(delta)
    torch.testing.assert_close(norms, sample_norms(delta), rtol=1e-14, atol=0)
    fired = norms > limit
    assert torch.equal(fired, factors != 1.0)
    assert bool((sample_norms(after) <= limit * slack(delta) + tiny(delta)).all())
    for state, part in delta.items():
        assert torch.equal(after[state][~fired], part[~fired]), "below the limit nothing changes"
        expected = part.double() / norms[..., None] * limit
        torch.testing.assert_close(after[state].double()[fired], expected[fired], rtol=2 * eps(delta), atol=tiny(delta))
        assert torch.equal(clip_step(delta, limit)[state], after[state])


def test_a_step_with_an_inf_or_a_nan_ruins_that_sample_alone() -> None:
    delta = {"h": torch.full((3, 2), 5.0), "c": torch.full((3, 2), 5.0)}
    delta["c"][1, 0], delta["h"][2, 1] = math.inf, math.nan
    after, norms, factors = clipped_step(delta, 1.0)
    torch.testing.assert_close(after["h"][0], torch.full((2,), 0.5))
    assert norms.tolist() == pytest.approx([10.0, math.inf, math.nan], rel=1e-15, nan_ok=True)
    assert factors.tolist() == pytest.approx([0.1, 0.0, 1.0], rel=1e-15)
    assert after["h"][1].tolist() == [0.0, 0.0]
    assert after["c"][1, 0].isnan()
    assert after["h"][2, 1].isnan()
    assert after["c"][2].tolist() == [5.0, 5.0]


def test_a_step_that_float32_cannot_square_is_clipped_to_the_limit() -> None:
    after = clip_step({"h": torch.tensor([[3e30, 4e30]])}, 1.0)["h"]
    torch.testing.assert_close(after, torch.tensor([[0.6, 0.8]]))
