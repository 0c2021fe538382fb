"""What hypothesis draws: initialisations of every kind, torch modules with their input, and losses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from hypothesis import Phase, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

from engine.spec import InitSpec

# Without shrinking: a failure is told as it was found, and not after minutes.
quick = settings(max_examples=25, deadline=None, derandomize=True, database=None, phases=[Phase.generate])


@st.composite
def inits(draw: Any, cell: str) -> InitSpec:
    """Every initialisation that the cell can have."""
    reads = draw(st.sampled_from(["default", "xavier", "he", "orthogonal", "normal"]))
    recurrent = draw(st.sampled_from(["default", "xavier", "he", "orthogonal", "identity", "normal"]))
    biases: list[dict[str, Any]] = [{}]
    if cell == "lstm":
        biases += [{"forget_bias": value} for value in (-1.0, 1.0, 3.0)]
    if cell == "gru":
        biases += [{"update_bias": value} for value in (-1.0, 2.0)]
    if cell != "rnn":
        biases += [{"chrono": longest} for longest in (3, 50)]
    return InitSpec(
        input=reads,
        recurrent=recurrent,
        std=draw(st.sampled_from([0.1, 0.5])) if "normal" in (reads, recurrent) else None,
        bias=draw(st.sampled_from(["default", "zero"])),
        gain=draw(st.sampled_from([1.0, 1.5])),
        spectral_radius=draw(st.sampled_from([None, None, 0.4, 1.1])),
        **draw(st.sampled_from(biases)),
    )


@dataclass
class Drawn:
    """A module, what it is given, and losses of it."""

    module: nn.RNNBase
    data: Tensor
    """(T, B, D), whatever the module takes."""
    x: Tensor | PackedSequence
    """The same as the module takes it."""
    lengths: Tensor | None
    loss: Callable[..., Tensor]
    """(y (n, B, W), steps) → (n,): a loss of each step; of some steps, none."""

    @property
    def steps(self) -> int:
        return len(self.data)

    @property
    def batch(self) -> int:
        return self.data.shape[1]

    def initial(self, seed: int = 5) -> Any:
        """h_0, or (h_0, c_0)."""
        source, of = torch.Generator().manual_seed(seed), self.module
        shape = ((2 if of.bidirectional else 1) * of.num_layers, self.batch, of.hidden_size)
        one, other = (torch.randn(shape, generator=source, dtype=torch.float64).to(self.data) for _ in range(2))
        return (one, other) if isinstance(of, nn.LSTM) else one


@st.composite
def drawn(
    draw: Any,
    kinds: tuple[str, ...] = ("tanh", "relu", "lstm", "gru"),
    dtypes: tuple[torch.dtype, ...] = (torch.float64, torch.float32),
    layers: int = 2,
    longest: int = 7,
) -> Drawn:
    kind, dtype = draw(st.sampled_from(kinds)), draw(st.sampled_from(dtypes))
    T, B, H = draw(st.integers(1, longest)), draw(st.integers(1, 3)), draw(st.integers(1, 4))
    packed = draw(st.booleans())
    options: dict[str, Any] = {
        "num_layers": draw(st.integers(1, layers)),
        "bidirectional": draw(st.booleans()),
        "bias": draw(st.booleans()),
        "batch_first": not packed and draw(st.booleans()),
    }
    lengths = torch.tensor(draw(st.lists(st.integers(1, T), min_size=B, max_size=B))) if packed else None
    if lengths is not None:
        lengths[draw(st.integers(0, B - 1))] = T
    scale = draw(st.sampled_from([0.5, 1.0, 3.0]))
    with torch.random.fork_rng():
        torch.manual_seed(draw(st.integers(0, 99)))
        if kind in ("tanh", "relu"):
            module: nn.RNNBase = nn.RNN(2, H, nonlinearity=kind, dtype=dtype, **options)
        else:
            module = {"lstm": nn.LSTM, "gru": nn.GRU}[kind](2, H, dtype=dtype, **options)
        data = torch.randn(T, B, 2, dtype=dtype)
        targets = torch.randn(T, B, H * (1 + options["bidirectional"]), dtype=dtype)
    with torch.no_grad():
        for name, weight in module.named_parameters():
            weight.mul_(scale if "weight" in name else 1.0)
    read = torch.tensor(draw(st.lists(st.booleans(), min_size=T, max_size=T)))
    read[draw(st.integers(0, T - 1))] = True

    def loss(y: Tensor, steps: slice = slice(0, T)) -> Tensor:
        return (y - targets[steps]).pow(2).sum((1, 2)) * read[steps]

    x: Any = data.transpose(0, 1) if options["batch_first"] else data
    if lengths is not None:
        x = pack_padded_sequence(data, lengths, enforce_sorted=False)
    return Drawn(module, data, x, lengths, loss)


def cell_of(module: nn.RNNBase, suffix: str) -> nn.RNNCellBase:
    """Torch's own cell with the weights of one layer and direction, in float64."""
    weights = {key: getattr(module, f"{key}_{suffix}").detach().double() for key in ("weight_ih", "weight_hh")}
    if module.bias:
        weights |= {key: getattr(module, f"{key}_{suffix}").detach().double() for key in ("bias_ih", "bias_hh")}
    D, H, kind = weights["weight_ih"].shape[1], module.hidden_size, {"bias": module.bias, "dtype": torch.float64}
    if isinstance(module, nn.RNN):
        cell: nn.RNNCellBase = nn.RNNCell(D, H, nonlinearity=module.nonlinearity, **kind)
    else:
        cell = (nn.LSTMCell if isinstance(module, nn.LSTM) else nn.GRUCell)(D, H, **kind)
    cell.load_state_dict(weights)
    return cell
