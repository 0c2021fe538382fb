"""The independent reference for spectra: products and singular values with hundreds of digits (mpmath)."""

from __future__ import annotations

import mpmath
import torch
from torch import Tensor


def log_singular_values(factors: Tensor, digits: int) -> Tensor:
    """Of factors[-1] · … · factors[0], (T, S, S): (S,) natural logarithms, descending; −∞ below 10^−(digits − 30).

    The numbers of the factors are taken as exact. Enough digits are: the spread of the singular values, and 60 more.
    """
    with mpmath.workdps(digits):
        product = mpmath.eye(factors.shape[1])
        for factor in factors.tolist():
            product = mpmath.matrix(factor) * product
        values = sorted(mpmath.svd_r(product, compute_uv=False), reverse=True)
        nothing = max(values) * mpmath.mpf(10) ** (30 - digits)
        return torch.tensor([float(mpmath.log(v)) if v > nothing else -torch.inf for v in values], dtype=torch.float64)
