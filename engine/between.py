"""What stands around the recurrent layers of a network, in plain torch operations that autograd differentiates: what is
done to a layer's output, and the read-outs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from engine.draws import generator, uniform
from engine.errors import DataError
from engine.spec import Experiment, LayerSpec

Parameters = Mapping[str, Tensor]

DRAWN = 1 << 16
"""Numbers that are drawn at once, in float64."""


def dropout_mask(
    p: float, shape: tuple[int, int, int], fresh: bool, seed: int, purpose: str, iteration: int, like: Tensor
) -> Tensor:
    """(T, B, W) or, for the whole sequence, (1, B, W): 0 with probability p, else 1/(1 − p)."""
    return kept_by_dropout(p, shape, fresh, seed, purpose, iteration).to(like) * _factor(p, like)


def _factor(p: float, like: Tensor) -> Tensor:
    """1/(1 − p), rounded once."""
    return torch.tensor(1.0 / (1.0 - p), dtype=torch.float64, device="cpu").to(like)


def kept_by_dropout(
    p: float, shape: tuple[int, int, int], fresh: bool, seed: int, purpose: str, iteration: int
) -> Tensor:
    """(T, B, W) or, for the whole sequence, (1, B, W) bool, on the CPU: False with probability p."""
    T, B, W = shape
    source = generator(seed, purpose, iteration)
    kept = torch.empty(T if fresh else 1, B, W, dtype=torch.bool, device="cpu")
    step = max(1, DRAWN // (B * W))
    for start in range(0, len(kept), step):  # one draw after the other all the same
        few = kept[start : start + step]
        torch.ge(uniform(tuple(few.shape), 0.0, 1.0, source), p, out=few)
    return kept


def after_layer(
    experiment: Experiment, depth: int, parameters: Parameters, shape: tuple[int, int], iteration: int,
    lengths: Tensor | None, like: Tensor,
) -> AfterLayer | None:  # fmt: skip
    """What is done to a layer's output (T, B, W): normalised, dropped, and what it read (T, B, D) added; None: nothing.

    `parameters`: of batch normalisation, by their full names. Raises DataError where a step has a single sample.
    """
    layer = experiment.model.layers[depth]
    if not (layer.batch_norm or layer.dropout or layer.residual):
        return None
    T, B = shape
    mask = None if lengths is None else (torch.arange(T, device=like.device)[:, None] < lengths)[:, :, None]
    if layer.batch_norm:
        _enough_samples(depth, B, mask)
    keep = None
    if layer.dropout:
        fresh = layer.dropout_mask == "step"
        keep = kept_by_dropout(
            layer.dropout, (T, B, layer.width), fresh, experiment.seed, f"dropout l{depth}", iteration
        ).to(like.device)

    gamma, beta = (parameters.get(f"batch_norm_l{depth}.{name}") for name in ("weight", "bias"))
    of_norm = None if gamma is None or beta is None else (gamma, beta)
    return AfterLayer(layer, of_norm, keep, mask)


@dataclass(frozen=True, eq=False)
class AfterLayer:
    """engine.step_pieces.StepByStep."""

    layer: LayerSpec
    of_norm: tuple[Tensor, Tensor] | None
    """γ and β (W,)."""
    keep: Tensor | None
    """(T or 1, B, W) bool: what dropout leaves."""
    mask: Tensor | None
    """(T, B, 1) bool: the samples that have a step."""

    @property
    def reads_stream(self) -> bool:
        return self.layer.residual

    def part(self, steps: slice) -> AfterLayer:
        keep = self.keep if self.keep is None or len(self.keep) == 1 else self.keep[steps]
        return replace(self, keep=keep, mask=None if self.mask is None else self.mask[steps])

    def __call__(self, outputs: Tensor, read: Tensor) -> Tensor:
        if self.of_norm is not None:
            outputs = batch_norm(outputs, *self.of_norm, self.layer.norm_eps, self.mask)
        if self.keep is not None:
            outputs = outputs * (self.keep.to(outputs) * _factor(self.layer.dropout, outputs))
        return outputs + read if self.layer.residual else outputs


def batch_norm(y: Tensor, weight: Tensor, bias: Tensor, eps: float, mask: Tensor | None = None) -> Tensor:
    """γ⊙(y − μ)/√(σ² + ε) + β, μ and σ² over the samples of each step by itself (Ioffe & Szegedy 2015, algorithm 1).

    y (T, B, W); mask (T, B, 1) bool: the samples that have this step.
    """
    if mask is None:
        centred = y - y.mean(1, keepdim=True)
        variance = centred.square().mean(1, keepdim=True)
    else:
        counts = mask.sum(1, keepdim=True).clamp_min(1).to(y)
        centred = torch.where(mask, y - torch.where(mask, y, 0.0).sum(1, keepdim=True) / counts, 0.0)
        variance = centred.square().sum(1, keepdim=True) / counts
    found = centred * (variance + eps).rsqrt() * weight + bias
    return found if mask is None else torch.where(mask, found, 0.0)


def _enough_samples(depth: int, batch: int, mask: Tensor | None) -> None:
    where = f"Batch normalisation of layer {depth}: "
    if batch == 1:
        raise DataError(f"{where}the batch has 1 sample; 2 or more are needed.")
    if mask is not None:
        single = (mask.sum((1, 2)) == 1).nonzero().flatten().tolist()
        if single:
            raise DataError(f"{where}step {single[0] + 1} belongs to 1 sample only; 2 or more, or none, are accepted.")


def readout_of(y: Tensor, at: str, parameters: Parameters, layer: LayerSpec, lengths: Tensor | None) -> Tensor:
    """y (T, B, W) → (T, B, O) at every step, else (B, O). "last" reads each direction where it ended."""
    weight, bias = parameters["readout.weight"], parameters["readout.bias"]
    if at == "every":
        return nn.functional.linear(y, weight, bias)
    if at == "attention":
        read = attended(y, parameters, lengths)
    else:
        read = mean_of(y, lengths) if at == "mean" else last_of(y, layer, lengths)
    return nn.functional.linear(read, weight, bias)


def last_of(y: Tensor, layer: LayerSpec, lengths: Tensor | None) -> Tensor:
    """(B, W): the forward direction at each sample's last step; the reverse one at step 1."""
    if lengths is None:
        end = y[-1]
    else:
        end = y[(lengths - 1).clamp_min(0), torch.arange(y.shape[1], device=y.device)]
    H = layer.hidden_size
    return torch.cat([end[:, :H], y[0][:, H:]], 1) if layer.bidirectional else end


def mean_of(y: Tensor, lengths: Tensor | None) -> Tensor:
    """(B, W): over each sample's own steps; the padding is 0."""
    return y.mean(0) if lengths is None else y.sum(0) / lengths.clamp_min(1).to(y)[:, None]


def attention_weights(y: Tensor, parameters: Parameters, lengths: Tensor | None) -> Tensor:
    """α (T, B) = softmax over a sample's steps of vᵀ tanh(W y_t + b) (Bahdanau et al. 2015, without a query)."""
    hidden = nn.functional.linear(y, parameters["attention.weight"], parameters["attention.bias"]).tanh()
    scores = hidden @ parameters["attention.query"]
    if lengths is not None:
        steps = torch.arange(len(y), device=y.device)[:, None]
        scores = scores.masked_fill(steps >= lengths.clamp_min(1), -torch.inf)
    return scores.softmax(0)


def attended(y: Tensor, parameters: Parameters, lengths: Tensor | None) -> Tensor:
    """(B, W): Σ α_t y_t."""
    return (attention_weights(y, parameters, lengths)[:, :, None] * y).sum(0)
