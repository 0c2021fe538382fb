"""Recurrent weights scaled so that each gate's block has a spectral radius that was asked for."""

from __future__ import annotations

import torch
from torch import Tensor

from engine.errors import DataError
from engine.figures import figure
from engine.quantities import GATES
from engine.spec import CellKind


def scaled_to_radius(weight_hh: Tensor, radius: float, cell: CellKind, name: str = "weight_hh") -> Tensor:
    """Each gate's block of weight_hh (G·H, H) times the factor that makes its largest |eigenvalue| `radius`.

    Computed in float64; dtype and device are those of weight_hh, which stays as it is. A block that holds inf or NaN
    has no spectral radius and becomes NaN. Raises DataError for a nilpotent block: all its eigenvalues are 0, and so
    are those of its multiples. `name` is what the sentence calls the whole.
    """
    H = weight_hh.shape[1]
    blocks = weight_hh.detach().to("cpu", torch.float64).reshape(len(GATES[cell]), H, H)
    scaled = []
    for gate, block in zip(GATES[cell], blocks, strict=True):
        if radius > 0.0 and _is_nilpotent(block):
            whose = f"the {gate} block of {name}" if gate else name
            raise DataError(
                f"spectral_radius is {figure(radius)}, but {whose} is nilpotent: all its eigenvalues are 0, "
                "and no factor changes that; 0 or nothing is accepted for it."
            )
        scaled.append(_scaled(block, radius))
    return torch.cat(scaled).to(weight_hh.device, weight_hh.dtype)


def _scaled(block: Tensor, radius: float) -> Tensor:
    if not bool(torch.isfinite(block).all()):
        return torch.full_like(block, torch.nan)
    if radius == 0.0:
        return torch.zeros_like(block)
    largest: Tensor = torch.linalg.eigvals(block).abs().amax()
    return block / largest * radius


def _is_nilpotent(block: Tensor) -> bool:
    """Whether the traces of all powers are 0 up to rounding, as they are only where every eigenvalue is 0 (Newton's
    identities).

    The computed eigenvalues do not tell: those of [[2, 1], [−4, −2]] may come out as ±1e-8, and with n units as
    (1e-16)^(1/n), which is no small number.
    """
    if not bool(torch.isfinite(block).all()):
        return False
    norm = torch.linalg.matrix_norm(block, ord=2)
    if float(norm) == 0.0:
        return True
    n, once = len(block), block / norm
    power = once
    for k in range(1, n + 1):
        if float(power.trace().abs()) > k * n * torch.finfo(torch.float64).eps:
            return False
        power = power @ once
        if not bool(power.any()):
            break
    return True
