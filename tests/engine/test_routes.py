"""Where the gradient goes from a step to the one before: by route, in shares, and over many steps."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from unrolled import module, unrolled

import engine
from engine import routes
from engine.layer_trace import LayerTrace
from engine.quantities import ROUTES
from engine.route_products import carried, forget_gate_product, product
from engine.route_shares import RouteShares, route_shares
from engine.routes import jacobians, step_back, vjp

KINDS = ("tanh", "relu", "lstm", "gru")
LOG10 = math.log(10)
CLOSE = {torch.float64: 1e-10, torch.float32: 1e-4}


def draw(*shape: int, seed: int = 1, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)).to(dtype)


def at_the_end(y: Tensor) -> Tensor:
    return y[-1].sin().sum()


def every_step(y: Tensor) -> Tensor:
    return (y - 0.1).pow(2).sum((1, 2))


def layer_of(
    kind: str,
    T: int = 6,
    B: int = 2,
    H: int = 4,
    loss: Callable[[Tensor], Tensor] = every_step,
    dtype: torch.dtype = torch.float64,
    gain: float = 1.0,
    seed: int = 0,
    started: bool = True,
) -> LayerTrace:
    model = module(kind, 3, H, dtype, seed=seed)
    with torch.no_grad():
        model.weight_hh_l0.mul_(gain)
    initial = None
    if started:
        initial = {s: 0.5 * draw(B, H, seed=seed + 7 + i, dtype=dtype) for i, s in enumerate(states(kind))}
    return engine.trace(model, draw(T, B, 3, seed=seed, dtype=dtype), loss=loss, initial=initial)["l0"]


def states(kind: str) -> tuple[str, ...]:
    return ("h", "c") if kind == "lstm" else ("h",)


def step(layer: LayerTrace, x: Tensor, by_route: dict[str, dict[str, Tensor]]) -> dict[str, Tensor]:
    """The textbook's step in plain torch, where each route has the states before it to itself."""
    w = {name: weight.to(x.dtype) for name, weight in layer.weights.items()}
    H = layer.hidden_size
    order = {"rnn": ("a",), "lstm": ("i", "f", "g", "o"), "gru": ("r", "z", "n")}[layer.cell]
    x_side, h_side = {}, {}
    for k, gate in enumerate(order):
        rows = slice(k * H, (k + 1) * H)
        x_side[gate] = w["weight_ih"][rows] @ x + w["bias_ih"][rows]
        h_side[gate] = w["weight_hh"][rows] @ by_route[gate]["h"] + w["bias_hh"][rows]
    if layer.cell == "rnn":
        a = x_side["a"] + h_side["a"]
        return {"h": a.relu() if layer.activation == "relu" else a.tanh()}
    if layer.cell == "lstm":
        i, f, o = ((x_side[k] + h_side[k]).sigmoid() for k in "ifo")
        # c₋ stands in c = f ⊙ c₋ + i ⊙ g alone.
        c = f * by_route["carousel"]["c"] + i * (x_side["g"] + h_side["g"]).tanh()
        return {"h": o * c.tanh(), "c": c}
    r, z = (x_side["r"] + h_side["r"]).sigmoid(), (x_side["z"] + h_side["z"]).sigmoid()
    n = (x_side["n"] + r * h_side["n"]).tanh()
    return {"h": (1 - z) * n + z * by_route["leak"]["h"]}


def before(layer: LayerTrace, t: int, b: int) -> dict[str, Tensor]:
    recorded = layer.initial if t == 1 else {s: layer.values[s][t - 2] for s in layer.initial}
    return {s: recorded[s][b] for s in layer.initial}


def by_jacrev(layer: LayerTrace, t: int, b: int) -> dict[str, Tensor]:
    """{route: (S, S)} in float64, from the recorded states before the step."""
    start = {s: state.double() for s, state in before(layer, t, b).items()}

    def stepped(by_route: dict[str, dict[str, Tensor]]) -> Tensor:
        return torch.cat(list(step(layer, layer.x[t - 1, b].double(), by_route).values()))

    found = torch.func.jacrev(stepped)(dict.fromkeys(ROUTES[layer.cell], start))
    return {route: torch.cat([found[route][s] for s in start], 1) for route in found}


def gap(ours: Tensor, expected: Tensor, scale: Tensor) -> float:
    return float((ours.double() - expected).abs().max() / scale.abs().max().clamp_min(1e-300))


def logs(values: Tensor) -> Tensor:
    return torch.linalg.vector_norm(values, dim=-1).log10()


def with_grads(layer: LayerTrace, change: Callable[[Tensor], Tensor]) -> LayerTrace:
    """The same trace, as if BPTT had recorded other total gradients."""
    return LayerTrace.from_parts(
        layer.cell, layer.activation, layer.x, layer.weights, layer.initial, layer.values, layer.output_grads,
        grads={s: change(g) for s, g in layer.grads.items()}, initial_grads=layer.initial_grads,
    )  # fmt: skip


# Jacobians


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    kind=st.sampled_from(KINDS),
    T=st.integers(1, 4),
    B=st.integers(1, 3),
    H=st.integers(1, 5),
    dtype=st.sampled_from(list(CLOSE)),
    gain=st.sampled_from([0.1, 1.0, 3.0]),
    started=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_every_route_s_jacobian_is_jacrev_s(
    kind: str, T: int, B: int, H: int, dtype: torch.dtype, gain: float, started: bool, seed: int
) -> None:
    layer = layer_of(kind, T, B, H, dtype=dtype, gain=gain, seed=seed, started=started)
    found = jacobians(layer)
    S = H * len(states(kind))
    assert list(found) == [*ROUTES[layer.cell], "total"]
    assert all(part.shape == (T, B, S, S) and part.dtype == dtype for part in found.values())
    for t in range(1, T + 1):
        for b in range(B):
            expected = by_jacrev(layer, t, b)
            total = sum(expected.values())
            for route, part in (expected | {"total": total}).items():
                assert gap(found[route][t - 1, b], part, total) <= CLOSE[dtype], (route, t, b)


@pytest.mark.parametrize("kind", KINDS)
def test_the_total_is_the_jacobian_of_the_plain_step(kind: str) -> None:
    """Against torch's own module, which knows no routes."""
    layer = layer_of(kind, T=1, B=1, H=5, seed=3)
    model = module(kind, 3, 5, seed=3)
    names = states(kind)

    def stepped(flat: Tensor) -> Tensor:
        given = flat.view(len(names), 1, 1, 5)
        _, last = torch.func.functional_call(
            model, dict(model.named_parameters()), (layer.x, tuple(given) if kind == "lstm" else given[0])
        )
        return torch.cat([state.flatten() for state in last]) if kind == "lstm" else last.flatten()

    start = torch.cat([layer.initial[s].flatten() for s in names])
    expected = torch.autograd.functional.jacobian(stepped, start)
    torch.testing.assert_close(jacobians(layer, 1)["total"][0, 0], expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("dtype", list(CLOSE), ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_unit_gradients_and_slopes_make_the_same_jacobians(
    kind: str, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For the cells whose units mix within a step there is only the first way."""
    layer = layer_of(kind, T=7, B=3, H=6, dtype=dtype)
    quick = jacobians(layer)
    monkeypatch.setattr(routes, "_units_keep_apart", lambda rules: False)
    whole = jacobians(layer)
    monkeypatch.setattr(routes, "WORKING", 6 * 12 * 4)
    in_pieces = jacobians(layer)
    for route, part in quick.items():
        torch.testing.assert_close(whole[route], part, rtol=8 * torch.finfo(dtype).eps, atol=0.0)
        torch.testing.assert_close(in_pieces[route], part, rtol=8 * torch.finfo(dtype).eps, atol=0.0)


@pytest.mark.parametrize("kind", KINDS)
def test_steps_and_samples_are_slices_of_the_whole(kind: str) -> None:
    layer = layer_of(kind, T=6, B=3)
    whole = jacobians(layer)
    for steps, at in (
        (2, [1]), ((2, 4), [1, 2, 3]), ((5, 5), [4]), ([6, 1, 1], [5, 0, 0]), (range(1, 7, 2), [0, 2, 4]),
        (torch.tensor(3), [2]), (torch.tensor([3, 2]), [2, 1]),
    ):  # fmt: skip
        for sample, rows in ((None, slice(None)), (0, slice(0, 1)), (2, slice(2, 3))):
            for route, part in jacobians(layer, steps, sample).items():
                assert torch.equal(part, whole[route][at][:, rows]), (steps, sample, route)
    for route, part in jacobians(layer.window(3, 5)).items():
        assert torch.equal(part, whole[route][2:5])


def test_a_dead_relu_has_an_empty_row() -> None:
    layer = layer_of("relu", T=8, B=2, H=6, gain=2.0)
    dead = layer.values["a"] <= 0
    assert dead.any()
    assert not dead.all()
    rows = jacobians(layer)["total"]
    assert (rows[dead] == 0).all()
    assert (rows[~dead].abs().amax(-1) > 0).all()


def test_an_lstm_of_one_unit_has_the_textbook_s_two_by_two() -> None:
    layer = layer_of("lstm", T=3, B=1, H=1)
    found = {route: part[1, 0] for route, part in jacobians(layer).items()}
    v = {name: float(value[1, 0, 0]) for name, value in layer.values.items()}
    c_before, U = float(layer.values["c"][0, 0, 0]), layer.weights["weight_hh"].flatten().tolist()
    i, f, g, o, tanh_c = v["i"], v["f"], v["g"], v["o"], math.tanh(v["c"])
    u = o * (1 - tanh_c**2)
    P = {"i": g * i * (1 - i) * U[0], "f": c_before * f * (1 - f) * U[1], "g": i * (1 - g * g) * U[2]}
    expected = {"carousel": [[0, u * f], [0, f]], "o": [[tanh_c * o * (1 - o) * U[3], 0], [0, 0]]}
    expected |= {route: [[u * p, 0], [p, 0]] for route, p in P.items()}
    for route, block in expected.items():
        torch.testing.assert_close(found[route], torch.tensor(block, dtype=torch.float64), rtol=1e-13, atol=1e-15)


def test_jacobians_that_would_fill_the_memory_are_refused_with_their_size(monkeypatch: pytest.MonkeyPatch) -> None:
    layer = layer_of("lstm", T=400, B=4, H=64)
    size = 400 * 4 * (2 * 64) ** 2 * 8 * 6

    def never(*_: object) -> None:
        raise AssertionError("it was tried")

    with monkeypatch.context() as patch:
        patch.setattr(routes, "_by_slopes", never)
        with pytest.raises(engine.DataError, match=rf"{size / 2**30:.1f} GiB.*fewer steps or one sample\.$") as refused:
            jacobians(layer)
    assert "400 × 4" in str(refused.value)
    small = layer_of("lstm", T=5, B=2, H=3)
    monkeypatch.setattr(routes, "LIMIT", 5 * 2 * 6 * 6 * 8 * 6)
    assert jacobians(small)["total"].shape == (5, 2, 6, 6)
    monkeypatch.setattr(routes, "LIMIT", 5 * 2 * 6 * 6 * 8 * 6 - 1)
    with pytest.raises(engine.DataError):
        jacobians(small)
    assert jacobians(small, (1, 4))["total"].shape == (4, 2, 6, 6)


# One step


@pytest.mark.parametrize("kind", KINDS)
def test_the_routes_add_up_to_what_bptt_hands_back(kind: str) -> None:
    layer = layer_of(kind, T=5, B=3)
    parts = step_back(layer.rules, layer.weights["weight_hh"], layer.values, layer.before, layer.grads)
    expected = layer.recurrence.handed_back(layer.values, layer.grads)
    assert sorted(parts) == sorted(ROUTES[layer.cell])
    for s in states(kind):
        total = sum(part[s] for part in parts.values() if s in part)
        torch.testing.assert_close(total, expected[s], rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("kind", KINDS)
def test_a_vjp_is_the_product_with_the_jacobian(kind: str) -> None:
    layer = layer_of(kind, T=4, B=3, H=5)
    S = 5 * len(states(kind))
    rows = draw(7, S)
    for t, b in ((1, 0), (4, 2)):
        found = jacobians(layer, t, b)
        torch.testing.assert_close(vjp(layer, t, rows, b), rows @ found["total"][0, 0], rtol=1e-12, atol=1e-14)
        for open_ in ([ROUTES[layer.cell][0]], ROUTES[layer.cell][-2:]):
            expected = rows @ sum(found[route][0, 0] for route in open_)
            torch.testing.assert_close(vjp(layer, t, rows, b, open_), expected, rtol=1e-12, atol=1e-14)
    assert vjp(layer, 2, rows[:0]).shape == (0, S)


def test_a_vjp_is_computed_in_the_type_of_its_cotangents() -> None:
    layer = layer_of("lstm", T=3, B=1, dtype=torch.float32)
    rows = draw(2, 8)
    expected = rows @ sum(by_jacrev(layer, 3, 0).values())
    assert vjp(layer, 3, rows.float()).dtype == torch.float32
    # Not to float64's precision: the recorded gates were rounded to float32.
    torch.testing.assert_close(vjp(layer, 3, rows), expected, rtol=1e-5, atol=1e-6)


# Shares


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    kind=st.sampled_from(KINDS),
    T=st.integers(1, 6),
    B=st.integers(1, 3),
    H=st.integers(1, 5),
    dtype=st.sampled_from(list(CLOSE)),
    gain=st.sampled_from([0.1, 1.0, 3.0]),
    started=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_shares_are_those_of_the_jacobians_parts(
    kind: str, T: int, B: int, H: int, dtype: torch.dtype, gain: float, started: bool, seed: int
) -> None:
    layer = layer_of(kind, T, B, H, dtype=dtype, gain=gain, seed=seed, started=started)
    found = route_shares(layer)
    names = states(kind)
    for t in range(1, T + 1):
        for b in range(B):
            d = {s: layer.grads[s][t - 1, b].double() for s in names}
            reaching = dict(d)
            if kind == "lstm":  # what reaches c through h is in the Jacobian, ∂h/∂c₋, so it must not come in twice
                o, c = layer.values["o"][t - 1, b].double(), layer.values["c"][t - 1, b].double()
                reaching["c"] = d["c"] - d["h"] * o * (1 - c.tanh() ** 2)
            row = torch.cat([reaching[s] for s in names])
            parts = {route: row @ J for route, J in by_jacrev(layer, t, b).items()}
            check(found, t, b, parts, torch.cat(list(d.values())), CLOSE[dtype])
            for s, part in zip(names, range(0, H * len(names), H), strict=True):
                own = {route: v[part : part + H] for route, v in parts.items() if route in found.by_state[s].shares}
                assert all((v[part : part + H] == 0).all() for r, v in parts.items() if r not in own)
                check(found.by_state[s], t, b, own, None, CLOSE[dtype])


def check(found, t: int, b: int, parts: dict[str, Tensor], delta: Tensor | None, tolerance: float) -> None:
    v = sum(parts.values())
    size, largest = float(v.norm()), max(float(part.norm()) for part in parts.values())
    seen = {route: float(share[t - 1, b]) for route, share in found.shares.items()}
    norms = {route: float(norm[t - 1, b]) for route, norm in found.log10_norms.items()}
    assert set(seen) == set(parts)
    assert set(norms) == {*parts, "total"}
    if size <= 1e-14 * largest:
        assert largest > 0 or all(math.isnan(share) for share in seen.values())
        return
    assert sum(seen.values()) == pytest.approx(1.0, abs=1e-12 * (largest / size) ** 2)
    off = 4 * tolerance * (largest / size) ** 2
    for route, part in parts.items():
        assert seen[route] == pytest.approx(float(part @ v) / size**2, abs=off), route
        assert 10 ** norms[route] == pytest.approx(float(part.norm()), rel=tolerance, abs=tolerance * largest), route
    assert 10 ** norms["total"] == pytest.approx(size, rel=off)
    if delta is not None:
        assert float(found.ratio[t - 1, b]) == pytest.approx(size / float(delta.norm()), rel=off)


@pytest.mark.parametrize("kind", KINDS)
def test_what_passes_is_what_autograd_finds_one_step_earlier(kind: str) -> None:
    """The gradient that passes is the total of the states before, less what their own step's loss brings."""
    model, x = module(kind, 3, 4), draw(6, 2, 3)
    layer, reference = engine.trace(model, x, loss=every_step)["l0"], unrolled(model, x, every_step)
    found = route_shares(layer)
    total = {s: torch.cat([reference.initial_grads[s][None], reference.grads[s][:-1]]) for s in states(kind)}
    direct = torch.cat([torch.zeros_like(layer.output_grads[:1]), layer.output_grads[:-1]])
    passed = {**total, "h": total["h"] - direct}
    if kind == "lstm":  # autograd's total of c₋ has what comes from h₋ at the same step
        o, c = (torch.cat([torch.zeros_like(reference.values[s][:1]), reference.values[s][:-1]]) for s in "oc")
        passed["c"] = total["c"] - total["h"] * o * (1 - c.tanh() ** 2)
    for s in states(kind):
        torch.testing.assert_close(found.by_state[s].log10_norms["total"], logs(passed[s]), rtol=1e-10, atol=1e-10)
    joint = logs(torch.cat([passed[s] for s in states(kind)], -1))
    torch.testing.assert_close(found.log10_norms["total"], joint, rtol=1e-10, atol=1e-10)


def same(found: RouteShares, expected: RouteShares, shift: float) -> None:
    for ours, theirs in ((found, expected), *((found.by_state[s], expected.by_state[s]) for s in found.by_state)):
        for route, share in theirs.shares.items():
            torch.testing.assert_close(ours.shares[route], share, rtol=1e-9, atol=1e-11, equal_nan=True)
            torch.testing.assert_close(ours.log10_norms[route], theirs.log10_norms[route] + shift, rtol=0, atol=1e-9)
    torch.testing.assert_close(found.ratio, expected.ratio, rtol=1e-10, atol=0, equal_nan=True)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("dtype", "powers"), [(torch.float64, (-990, -300, 990)), (torch.float32, (-100, 100))], ids=["float64", "float32"]
)
def test_shares_do_not_hang_on_how_large_the_gradients_are(kind: str, dtype: torch.dtype, powers: tuple) -> None:
    """1e-298, 1e298; in float32 1e-30 and 1e30. A power of two leaves the gradients' digits as they are."""
    layer = layer_of(kind, T=5, B=2, dtype=dtype)
    expected = route_shares(layer)
    for power in powers:
        scaled = with_grads(layer, lambda g, by=2.0**power: g * by)
        same(route_shares(scaled), expected, power * math.log10(2))


@pytest.mark.parametrize("kind", KINDS)
def test_steps_taken_in_pieces_are_the_same_steps(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    layer = layer_of(kind, T=7, B=3)
    whole, one = route_shares(layer), route_shares(layer, sample=1)
    ways = {"all": None, "some": ROUTES[layer.cell][:2]}
    back = {name: carried(layer, only) for name, only in ways.items()}
    monkeypatch.setattr("engine.route_shares.WORKING", 2 * 3 * 4)
    monkeypatch.setattr("engine.route_products.WORKING", 2 * 3 * 4)
    pieces = route_shares(layer)
    for route, share in whole.shares.items():
        torch.testing.assert_close(pieces.shares[route], share, rtol=1e-12, atol=1e-14)
        torch.testing.assert_close(one.shares[route], share[:, 1:2], rtol=1e-12, atol=1e-14)
    for name, only in ways.items():
        for state, curve in carried(layer, only).items():
            assert torch.equal(curve, back[name][state])
            alone = carried(layer, only, sample=1)[state]
            torch.testing.assert_close(alone, curve[:, 1:2], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_share_is_nan_and_nothing_raises(kind: str) -> None:
    layer = layer_of(kind, T=4, B=3)

    def spoilt(g: Tensor) -> Tensor:
        g = g.clone()
        g[0, 0], g[1, 0], g[2, 0], g[3, 0] = 0.0, math.inf, math.nan, 1e-320
        return g

    found, untouched = route_shares(with_grads(layer, spoilt)), route_shares(layer)
    for route, share in found.shares.items():
        assert share[:3, 0].isnan().all()
        assert share[3, 0].isfinite()
        torch.testing.assert_close(share[:, 1:], untouched.shares[route][:, 1:], rtol=1e-12, atol=1e-14)
    total = found.log10_norms["total"]
    assert total[0, 0] == -math.inf
    assert not total[1, 0].isfinite()
    assert total[2, 0].isnan()
    assert -322 < total[3, 0] < -318
    assert found.ratio[:3, 0].isnan().all()
    assert all(array.isnan().any() for array in carried(with_grads(layer, spoilt), start=3).values())
    for t in range(1, 5):
        bad = torch.full((1, 4 * len(states(kind))), (0.0, math.inf, math.nan, 1e-320)[t - 1], dtype=torch.float64)
        vjp(layer, t, bad)


def test_a_state_that_nothing_reaches_has_no_shares_and_changes_none() -> None:
    """Every forget gate of step 3 is exactly shut: nothing comes to c₋, and what comes to h₋ is all there is."""
    layer = layer_of("lstm", T=5, B=2)
    values = {**layer.values, "f": layer.values["f"].clone()}
    values["f"][2] = 0.0
    shut = LayerTrace.from_parts(
        layer.cell, layer.activation, layer.x, layer.weights, layer.initial, values, layer.output_grads
    )
    found = route_shares(shut)
    assert (found.shares["carousel"][2] == 0).all()
    assert (found.log10_norms["carousel"][2] == -math.inf).all()
    assert found.by_state["c"].shares["carousel"][2].isnan().all()
    for route in "ifgo":
        assert torch.equal(found.shares[route][2], found.by_state["h"].shares[route][2])
    torch.testing.assert_close(sum(found.shares.values()), torch.ones(5, 2, dtype=torch.float64), rtol=1e-10, atol=0)


def test_shares_are_undefined_where_one_state_alone_ran_away() -> None:
    """h's gradient at step 2 is infinite, that of c is not: c₋ by itself has a share, h and c together have none."""
    layer = layer_of("lstm", T=4, B=1, H=1)
    grads = {s: g.clone() for s, g in layer.grads.items()}
    grads["h"][1] = math.inf
    parts = (layer.cell, layer.activation, layer.x, layer.weights, layer.initial, layer.values, layer.output_grads)
    found = route_shares(LayerTrace.from_parts(*parts, grads=grads, initial_grads=layer.initial_grads))
    assert all(share[1].isnan().all() for share in found.shares.values())
    assert all(share[1].isnan().all() for share in found.by_state["h"].shares.values())
    assert found.by_state["c"].shares["carousel"][1] == pytest.approx(1.0, rel=1e-12)
    assert found.log10_norms["carousel"][1].isfinite()
    assert found.log10_norms["total"][1] == math.inf


@pytest.mark.parametrize("kind", KINDS)
def test_values_that_are_not_finite_spoil_their_own_step(kind: str) -> None:
    """A unit that ran away at step 3: the Jacobians of the other steps and samples stay as they are."""
    layer = layer_of(kind, T=5, B=2)
    values = {name: value.clone() for name, value in layer.values.items()}
    for name, value in values.items():
        value[2, 0, 1] = math.nan if name != "h" or kind == "tanh" else math.inf
    bad = LayerTrace.from_parts(
        layer.cell, layer.activation, layer.x, layer.weights, layer.initial, values, layer.output_grads
    )
    good, found = jacobians(layer)["total"], jacobians(bad)["total"]
    for t in (0, 1, 4):
        assert torch.equal(found[t], good[t])
    assert torch.equal(found[:, 1], good[:, 1])
    if kind != "relu":  # whose slope is 1 there
        assert not found[2, 0, 1].isfinite().all()
    assert torch.equal(found[2, 0, 0], good[2, 0, 0]), "the rows of other units stay"
    route_shares(bad)
    product(bad, 5, 0)
    carried(bad)


# Many steps


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    kind=st.sampled_from(KINDS),
    T=st.integers(1, 8),
    H=st.integers(1, 4),
    dtype=st.sampled_from(list(CLOSE)),
    gain=st.sampled_from([0.1, 1.0, 2.0]),
    seed=st.integers(0, 1000),
    data=st.data(),
)
def test_a_product_is_the_product_of_the_jacobians(
    kind: str, T: int, H: int, dtype: torch.dtype, gain: float, seed: int, data: st.DataObject
) -> None:
    layer = layer_of(kind, T, 2, H, dtype=dtype, gain=gain, seed=seed)
    t0 = data.draw(st.integers(0, T - 1), "t0")
    t1 = data.draw(st.integers(t0 + 1, T), "t1")
    names = ROUTES[layer.cell]
    open_ = data.draw(st.one_of(st.none(), st.lists(st.sampled_from(names), min_size=1, unique=True)), "routes")
    expected = torch.eye(H * len(states(kind)), dtype=torch.float64)
    for t in range(t0 + 1, t1 + 1):
        of_step = by_jacrev(layer, t, 1)
        expected = sum(of_step[route] for route in open_ or names) @ expected
    found = product(layer, t1, t0, 1, open_)
    if not expected.any():
        assert not found.matrix.any()
        assert found.log_scale == -math.inf
        return
    assert float(found.matrix.abs().max()) == 1.0
    assert gap(found.matrix * math.exp(found.log_scale), expected, expected) <= 10 * CLOSE[dtype]


def test_a_product_of_two_thousand_steps_keeps_its_logarithm() -> None:
    """One tanh unit: the product is Π w(1 − h²), and all of it is far below the smallest number."""
    layer = layer_of("tanh", T=2000, B=1, H=1, gain=0.2)
    slopes = (1 - layer.values["h"][:, 0, 0] ** 2).abs().log() + layer.weights["weight_hh"].abs().log().item()
    found = product(layer, 2000, 0)
    assert slopes.sum() < -2000
    assert found.log_scale == pytest.approx(float(slopes.sum()), rel=1e-12)
    curve = carried(layer)["h"]
    expected = slopes.flip(0).cumsum(0).flip(0) / LOG10 + logs(layer.grads["h"][-1])
    torch.testing.assert_close(curve[:-1, 0], expected[1:], rtol=1e-12, atol=0)


def test_a_product_that_grows_past_every_number_keeps_its_logarithm() -> None:
    """h = 4 U h₋ with U orthogonal: log ‖M‖ = T log 4, and M/4^T is the power of U."""
    model = module("relu", 1, 2)
    with torch.no_grad():
        model.weight_ih_l0.zero_()
        model.bias_ih_l0.zero_()
        model.bias_hh_l0.zero_()
        model.weight_hh_l0.copy_(4.0 * torch.tensor([[0.0, 1.0], [1.0, 0.0]]))
    start = torch.full((1, 2), 1e-300, dtype=torch.float64)
    layer = engine.trace(model, torch.zeros(900, 1, 1, dtype=torch.float64), loss=at_the_end, initial=start)["l0"]
    found = product(layer, 900, 0)
    assert found.log_scale == pytest.approx(900 * math.log(4), rel=1e-12)
    assert torch.equal(found.matrix, torch.eye(2, dtype=torch.float64))
    assert torch.equal(product(layer, 899, 0).matrix, torch.tensor([[0.0, 1.0], [1.0, 0.0]], dtype=torch.float64))


def test_a_product_that_overflows_within_a_step_keeps_its_zeros() -> None:
    """Three units at the edge of float64 and a dead one: inf where the sum of products is, 0 in the dead unit's row."""
    model = module("relu", 1, 4, bias=False)
    with torch.no_grad():
        model.weight_ih_l0.zero_()
        model.weight_hh_l0.fill_(1.5e308)
        model.weight_hh_l0[3] = 0.0
    start = torch.full((1, 4), 1e-320, dtype=torch.float64)
    layer = engine.trace(model, torch.zeros(1, 1, 1, dtype=torch.float64), loss=at_the_end, initial=start)["l0"]
    parts = (layer.cell, layer.activation, layer.x[:1].expand(2, 1, 1), layer.weights, layer.initial)
    values = {s: v.expand(2, 1, 4) for s, v in layer.values.items()}
    twice = LayerTrace.from_parts(*parts, values, layer.output_grads.expand(2, 1, 4))
    found = product(twice, 2, 0)
    assert (found.matrix[:3] == math.inf).all()
    assert (found.matrix[3] == 0).all()


@pytest.mark.parametrize("kind", KINDS)
def test_of_one_loss_at_the_end_all_routes_carry_the_truth(kind: str) -> None:
    for loss, T, H in ((at_the_end, 12, 5), (at_the_end, 1, 1), (at_the_end, 40, 1)):
        model, x = module(kind, 3, H), draw(T, 2, 3)
        layer, reference = engine.trace(model, x, loss=loss)["l0"], unrolled(model, x, loss)
        found = carried(layer)
        assert list(found) == [*states(kind), "all"]
        for s in states(kind):
            torch.testing.assert_close(found[s], logs(reference.grads[s]), rtol=1e-10, atol=1e-10)
        joint = logs(torch.cat([reference.grads[s] for s in states(kind)], -1))
        torch.testing.assert_close(found["all"], joint, rtol=1e-10, atol=1e-10)


def cut_by_autograd(layer: LayerTrace, open_: tuple[str, ...], start: int) -> dict[str, Tensor]:
    """(start, S-part) of ‖dL/d(state_t)‖: the unrolled loop with the other routes' states detached, L = ⟨grad, h⟩."""
    T, B = start, layer.batch_size
    found = {s: torch.zeros(T, B, dtype=torch.float64) for s in layer.initial}
    for b in range(B):
        state = before(layer, 1, b)
        made: list[dict[str, Tensor]] = []
        for t in range(T):
            routes_in = {
                route: state if route in open_ else {s: v.detach() for s, v in state.items()}
                for route in ROUTES[layer.cell]
            }
            # x requires a gradient so that every state of every step stands in the graph.
            state = step(layer, layer.x[t, b].clone().requires_grad_(), routes_in)
            made.append(state)
        reached = {s: layer.grads[s][T - 1, b] for s in state}
        if "c" in state:  # the total of c has what h brings it
            inside = torch.autograd.grad(state["h"], state["c"], reached["h"], retain_graph=True)[0]
            reached["c"] = reached["c"] - inside
        outputs = list(state.values())
        flat = [v for v_t in made for v in v_t.values()]
        grads = iter(torch.autograd.grad(outputs, flat, list(reached.values()), allow_unused=True))
        for t in range(T):
            for s in state:
                grad = next(grads)
                found[s][t, b] = 0.0 if grad is None else grad.norm()
    return found


@settings(max_examples=30, deadline=None, derandomize=True)
@given(
    kind=st.sampled_from(["tanh", "lstm", "gru"]),
    T=st.integers(1, 6),
    H=st.integers(1, 4),
    gain=st.sampled_from([0.5, 2.0]),
    seed=st.integers(0, 1000),
    data=st.data(),
)
def test_some_routes_alone_carry_what_autograd_finds_with_the_others_cut(
    kind: str, T: int, H: int, gain: float, seed: int, data: st.DataObject
) -> None:
    layer = layer_of(kind, T, 2, H, gain=gain, seed=seed)
    start = data.draw(st.integers(1, T), "start")
    names = ROUTES[layer.cell]
    open_ = tuple(data.draw(st.lists(st.sampled_from(names), min_size=1, unique=True), "routes"))
    found = carried(layer, open_, start)
    for s, expected in cut_by_autograd(layer, open_, start).items():
        torch.testing.assert_close(found[s][:start], expected.log10(), rtol=1e-9, atol=1e-9)
        assert found[s][start:].isnan().all()


@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_the_carousel_alone_is_the_product_of_the_gates_that_keep(kind: str) -> None:
    """Closed form: δ_T ⊙ Π_{s>t} f_s (GRU: z), over 300 steps, past the smallest number of float64."""
    layer = layer_of(kind, T=300, B=2, H=5, gain=0.5)
    with torch.no_grad():
        gate, state, route = {"lstm": ("f", "c", "carousel"), "gru": ("z", "h", "leak")}[kind]
        logs_of_gate = layer.values[gate].log()
    expected = torch.zeros_like(logs_of_gate)
    for t in range(298, -1, -1):
        expected[t] = expected[t + 1] + logs_of_gate[t + 1]
    found = forget_gate_product(layer)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=0)
    torch.testing.assert_close(forget_gate_product(layer, sample=1), expected[:, 1:], rtol=1e-12, atol=0)
    entries = layer.grads[state][-1].abs().log() + expected
    curve = 0.5 * torch.logsumexp(2 * entries, -1) / LOG10
    torch.testing.assert_close(carried(layer, route)[state], curve, rtol=1e-11, atol=0)


def test_a_gate_that_is_shut_ends_the_product() -> None:
    layer = layer_of("lstm", T=5, B=1, H=2)
    values = dict(layer.values)
    values["f"] = values["f"].clone()
    values["f"][3, 0, 0] = 0.0
    shut = LayerTrace.from_parts(
        layer.cell, layer.activation, layer.x, layer.weights, layer.initial, values, layer.output_grads
    )
    found = forget_gate_product(shut)[:, 0]
    assert (found[:3, 0] == -math.inf).all()
    assert found[:, 1].isfinite().all()
    assert (found[4] == 0).all()
    with pytest.raises(engine.DataError, match="RNN"):
        forget_gate_product(layer_of("tanh"))


# What the literature says of it


def test_the_quoted_derivative_of_c_is_not_closed_under_products() -> None:
    """diag(f_t) + P_t diag(u_{t−1}), ∂c_t/∂c_{t−1} at fixed o_{t−1}: right for one step, and about 8 % off after two,
    for it loses the way c₋ → h₋ → o_t → h_t → c_{t+1}. The product over (h, c) is exact."""
    H, off = 32, []
    for seed in range(5):
        layer = layer_of("lstm", T=5, B=1, H=H, gain=4.0, seed=seed)
        u = {t: layer.values["o"][t - 1, 0] * (1 - layer.values["c"][t - 1, 0].tanh() ** 2) for t in (3, 4)}

        def states_after(c: Tensor, steps: tuple[int, ...], seed_layer: LayerTrace = layer) -> Tensor:
            """c after these steps as a function of c at step 3, o_3 held fixed: in plain torch."""
            state = {"h": seed_layer.values["o"][2, 0] * c.tanh(), "c": c}
            for t in steps:
                state = step(seed_layer, seed_layer.x[t - 1, 0], dict.fromkeys(ROUTES["lstm"], state))
            return state["c"]

        c_3 = layer.values["c"][2, 0]
        one, two = (torch.func.jacrev(states_after)(c_3, steps) for steps in ((4,), (4, 5)))
        quoted = {}
        for t in (4, 5):
            J = {route: part[0, 0, H:] for route, part in jacobians(layer, t).items()}
            P = sum(J[route][:, :H] for route in "ifg")
            quoted[t] = J["carousel"][:, H:] + P * u[t - 1]
        torch.testing.assert_close(quoted[4], one, rtol=1e-10, atol=1e-12)
        off.append(float((quoted[5] @ quoted[4] - two).norm() / two.norm()))
        found = product(layer, 5, 3)
        M = found.matrix * math.exp(found.log_scale)
        torch.testing.assert_close(M[H:, H:] + M[H:, :H] * u[3], two, rtol=1e-10, atol=1e-12)
    assert 0.04 < sum(off) / len(off) < 0.16
    assert min(off) > 0.02


def test_other_routes_carry_ten_times_more_than_the_product_of_forget_gates() -> None:
    """torch's default LSTM, 64 units, over 20 steps: what the README of the design warns of."""
    for seed in range(3):
        layer = layer_of("lstm", T=20, B=1, H=64, loss=at_the_end, seed=seed, started=False)
        truth, gates = carried(layer)["c"], carried(layer, "carousel")["c"]
        torch.testing.assert_close(truth[-1], gates[-1], rtol=1e-12, atol=0)
        assert float(truth[0] - gates[0]) > 1.0
        torch.testing.assert_close(truth, logs(layer.grads["c"]), rtol=1e-9, atol=1e-9)


# What is asked for


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
