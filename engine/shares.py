"""How much each time step contributes to a weight's gradient, without forming the contribution."""

from __future__ import annotations

import torch
from torch import Tensor

from engine.norms import norm


def share_norms(left: Tensor, right: Tensor) -> Tensor:
    """Frobenius norm of A_tᵀ Z_t for every step: (T,) float64, from A (T, B, M) and Z (T, B, N).

    ‖AᵀZ‖² = Σ (AAᵀ) ⊙ (ZZᵀ) over pairs of samples, in float64 and rescaled by powers of two. Where the samples
    cancel, that sum loses digits, so there (and where it is the smaller product) AᵀZ is formed.
    inf and NaN give inf and NaN, as the norm of the product would.
    """
    B, M, N = left.shape[1], left.shape[2], right.shape[2]
    A, Z, exponent = _scaled(left, right)
    norms: Tensor
    if B == 1:
        norms = torch.linalg.vector_norm(A, dim=(1, 2)) * torch.linalg.vector_norm(Z, dim=(1, 2))
    elif M * N > B * B:
        pairs = (A @ A.mT) * (Z @ Z.mT)
        total, parts = pairs.sum((1, 2)), pairs.diagonal(dim1=1, dim2=2).sum(1)
        norms = total.clamp_min(0.0).sqrt()
        for t in (total < 1e-4 * parts).nonzero().flatten().tolist():
            norms[t] = norm(A[t].mT @ Z[t])
    else:
        norms = norm(A.mT @ Z, dim=(1, 2))
    norms = times_power(norms, exponent)
    odd = ~(left.isfinite().all(2).all(1) & right.isfinite().all(2).all(1))
    for t in odd.nonzero().flatten().tolist():
        norms[t] = torch.linalg.vector_norm(left[t].mT.double() @ right[t].double())
    return norms


def _scaled(left: Tensor, right: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(A, Z, exponents (T,)) in float64: their products are those of `left` and `right` divided by 2^exponent.

    Each sample by itself, for one may have the largest A and another the largest Z, and then neither product is near
    that of the two. The largest product of any sample is brought near 1, and the others stay in proportion to it. A
    power of two rounds nothing.
    """
    A, a, in_left = _sample_by_sample(left)
    Z, z, in_right = _sample_by_sample(right)
    sizes = (a + z).masked_fill(~(in_left & in_right), NOTHING)
    largest = sizes.amax(1)
    return A, times_power(Z, (sizes - largest[:, None]).clamp_min(NOTHING)[..., None]), largest


NOTHING = -6000
"""An exponent that makes 0 of every number."""


def _sample_by_sample(array: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Each step's samples divided by a power of two near their largest entry, in float64; those exponents (T, B); and
    where there is anything but 0."""
    wide = array.double()
    largest = wide.abs().amax(2)
    exponent = torch.frexp(torch.where(largest.isfinite(), largest, 0.0)).exponent
    return times_power(wide, -exponent[..., None]), exponent, largest != 0


def times_power(array: Tensor, exponent: Tensor) -> Tensor:
    """array · 2^exponent, float64; in two halves, for 2^exponent itself can leave the range."""
    half = exponent // 2
    scaled: Tensor = array * torch.exp2(half.double()) * torch.exp2((exponent - half).double())
    return scaled
