"""Spectra of layers that normalise, drop, run the other way or have padding: the products are of their own steps."""

from __future__ import annotations

import pytest
import torch
from test_routes_of_variants import VARIANTS, trace_of

import engine


@pytest.mark.parametrize("variant", VARIANTS.values(), ids=VARIANTS.keys())
@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_the_product_back_from_the_end_is_that_of_the_sample_s_own_steps(cell: str, variant: dict[str, object]) -> None:
    trace = trace_of(cell, shortest=4, bidirectional=True, **variant)
    for layer in trace.layers.values():
        assert layer.mask is not None
        for b in range(layer.batch_size):
            found = layer.spectrum(sample=b)
            J = layer.jacobians(sample=b)["total"][:, 0]
            own = [t for t in range(layer.steps) if layer.mask[t, b]]
            product = torch.eye(J.shape[1], dtype=torch.float64)
            for t in own if layer.reverse else own[::-1]:
                product = product @ J[t]
                expected = torch.linalg.svdvals(product).log()
                resolved = expected > expected[0] - 20  # a plain product knows no more
                torch.testing.assert_close(found.product[t][resolved], expected[resolved], rtol=0, atol=1e-5)
            assert found.valid.tolist() == layer.mask[:, b].tolist()
            assert found.step[~layer.mask[:, b]].isnan().all()


def test_lyapunov_exponents_add_up_to_the_mean_log_determinant_of_the_sample_s_own_steps() -> None:
    layer = trace_of("gru", shortest=4, bidirectional=True)["l0_reverse"]
    assert layer.mask is not None
    for b in range(layer.batch_size):
        J = layer.jacobians(sample=b)["total"][:, 0][layer.mask[:, b]]
        expected = torch.linalg.slogdet(J).logabsdet.mean()
        found = layer.lyapunov(b)
        assert found.steps == len(J)
        torch.testing.assert_close(found.exponents.sum(), expected, rtol=1e-10, atol=1e-10)


def test_pascanu_s_bound_is_refused_where_more_than_w_hh_is_between_two_states() -> None:
    for variant in VARIANTS.values():
        with pytest.raises(engine.DataError, match="W_hh alone"):
            trace_of("rnn", **variant)["l0"].pascanu_bound()


def test_padding_is_neither_saturated_nor_dead() -> None:
    layer = trace_of("rnn", shortest=4, activation="relu")["l0"]
    assert layer.mask is not None
    found = layer.saturation()["h"]
    own = layer.values["a"][layer.mask]
    torch.testing.assert_close(found.low_by_unit, (own <= 0).double().mean(0))
    assert found.dead.tolist() == (own <= 0).all(0).tolist()
