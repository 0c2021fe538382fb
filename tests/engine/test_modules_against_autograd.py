"""engine.trace on torch's own modules: what it says of each layer and step is what the module's own autograd leaves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
import torch
from agreement import assert_agrees, largest_error, nudged
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from reference_layer import STATES, LayerSetup, UnrolledLayer, kept
from reference_network import Reference, differentiated, rows_of
from spec_data import one_sentence
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

import engine
from engine.measure import TOLERANCE

KINDS = ("tanh", "relu", "lstm", "gru")
CELL = {"tanh": "rnn", "relu": "rnn", "lstm": "lstm", "gru": "gru"}
CELLS: dict[str, Callable[..., nn.RNNCellBase]] = {
    "tanh": nn.RNNCell, "relu": nn.RNNCell, "lstm": nn.LSTMCell, "gru": nn.GRUCell,
}  # fmt: skip
D, H = 3, 4

Initial = dict[str, dict[str, Tensor]]
"""By layer."""


def made(kind: str, dtype: torch.dtype = torch.float64, seed: int = 0, **options: Any) -> nn.RNNBase:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        if CELL[kind] == "rnn":
            return nn.RNN(D, H, nonlinearity=kind, dtype=dtype, **options)
        return {"lstm": nn.LSTM, "gru": nn.GRU}[kind](D, H, dtype=dtype, **options)


def numbers(*shape: int, dtype: torch.dtype = torch.float64, seed: int = 1) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)).to(dtype)


def names_of(module: nn.RNNBase) -> list[str]:
    suffixes = ("", "_reverse") if module.bidirectional else ("",)
    return [f"l{depth}{suffix}" for depth in range(module.num_layers) for suffix in suffixes]


def losses(steps: list[Tensor]) -> list[Tensor]:
    """One a step, of what that step answers (B, W)."""
    return [(y - 0.2).pow(2).sum() * (1 + 0.1 * t) for t, y in enumerate(steps)]


def loss(y: Tensor) -> Tensor:
    return torch.stack(losses(list(y)))


def by_loop(
    kind: str,
    weights: Mapping[str, Tensor],
    names: list[str],
    x: Tensor,
    initial: Initial | None = None,
    lengths: Tensor | None = None,
    masks: list[Tensor] | None = None,
) -> Reference:
    """x (T, B, D), unrolled; `masks` (T, B, W) between the layers."""
    T, B = x.shape[:2]
    rows = rows_of(T, B, lengths)
    stream = first = [kept(x[t, at].clone()) for t, at in enumerate(rows)]
    layers: dict[str, UnrolledLayer] = {}
    depths = sorted({name.removesuffix("_reverse") for name in names})
    for depth, below in enumerate(depths):
        here = [name for name in names if name.removesuffix("_reverse") == below]
        for name in here:
            own = {n.removesuffix(f"_{name}"): w.detach() for n, w in weights.items() if n.endswith(f"_{name}")}
            states = {s: x.new_zeros(B, H) for s in STATES[CELL[kind]]} | (initial or {}).get(name, {})
            activation = kind if CELL[kind] == "rnn" else "tanh"
            setup = LayerSetup(CELL[kind], own, states, activation, name.endswith("_reverse"))
            layers[name] = UnrolledLayer(setup, stream, rows, B)
        stream = [torch.cat([layers[name].outputs[t] for name in here], 1) for t in range(T)]
        if masks and depth < len(masks):
            stream = [y * masks[depth][t, at] for t, (y, at) in enumerate(zip(stream, rows, strict=True))]
    padded = [x.new_zeros(B, y.shape[1]).index_put((torch.tensor(at),), y) for y, at in zip(stream, rows, strict=True)]
    return differentiated(layers, torch.stack(padded), losses(padded), {}, first)


def by_module(
    module: nn.RNNBase, x: Tensor | PackedSequence, initial: Initial | None
) -> tuple[Tensor, dict[str, Tensor], Tensor, dict[str, Tensor]]:
    """The module's own forward and backward: output (T, B, W), parameters' gradients, ∂L/∂x as it was given, and
    ∂L/∂(initial states) (layers · directions, B, H)."""
    data = x.data if isinstance(x, PackedSequence) else x
    leaf = data.detach().clone().requires_grad_()
    names, own = names_of(module), STATES["lstm" if isinstance(module, nn.LSTM) else "gru"]
    B = int(x.batch_sizes[0]) if isinstance(x, PackedSequence) else x.shape[0 if module.batch_first else 1]
    starts = {s: torch.stack([(initial or {}).get(n, {}).get(s, data.new_zeros(B, H)) for n in names]) for s in own}
    starts = {s: state.clone().requires_grad_() for s, state in starts.items()}
    given = (starts["h"], starts["c"]) if isinstance(module, nn.LSTM) else starts["h"]
    module.zero_grad()
    y, _ = module(x._replace(data=leaf) if isinstance(x, PackedSequence) else leaf, given)
    if isinstance(y, PackedSequence):
        y, _ = pad_packed_sequence(y)
    elif module.batch_first:
        y = y.transpose(0, 1)
    loss(y).sum().backward()
    grads = {n: p.grad.clone() for n, p in module.named_parameters() if p.grad is not None}
    module.zero_grad()
    assert leaf.grad is not None
    initial_grads = {s: torch.zeros_like(h) if h.grad is None else h.grad for s, h in starts.items()}
    return y.detach(), grads, leaf.grad, initial_grads


def assert_all_agree(
    kind: str, module: nn.RNNBase, x: Any, time_first: Callable[[Tensor], Tensor], initial: Initial | None = None,
    lengths: Tensor | None = None, masks: list[Tensor] | None = None, form: Any = None,
) -> None:  # fmt: skip
    """The trace, the loop, and the module itself. `time_first` makes (T, B, …) of what lies as x does; `form` is how
    the initial states are handed in, by layer if None."""
    state = torch.get_rng_state()
    trace = engine.trace(module, x, loss=loss, initial=initial if form is None else form)
    assert torch.equal(torch.get_rng_state(), state), "the random state is left alone"
    data = time_first(x.data if isinstance(x, PackedSequence) else x)
    names, weights = names_of(module), dict(module.named_parameters())
    reference = by_loop(kind, weights, names, data, initial, lengths, masks)

    def nearby() -> Iterator[Reference]:
        source = torch.Generator().manual_seed(0)
        yield by_loop(
            kind,
            {name: nudged(weight.detach(), source) for name, weight in weights.items()},
            names,
            nudged(data, source),
            {n: {s: nudged(state, source) for s, state in own.items()} for n, own in (initial or {}).items()},
            lengths,
            [mask.double() for mask in masks or []],
        )

    assert_agrees(trace, reference, nearby() if data.dtype == torch.float32 else ())
    y, grads, input_grad, initial_grads = by_module(module, x, initial)

    def agrees(name: str, ours: Tensor, theirs: Tensor) -> None:
        error = largest_error(name, ours, theirs)
        assert error <= TOLERANCE[data.dtype], f"{name}: {error:.2e}"

    agrees("outputs", trace.outputs, y)
    agrees("input_grad", trace.input_grad, time_first(input_grad))
    assert set(trace.weight_grads) == set(grads)
    for name, grad in grads.items():
        agrees(name, trace.weight_grads[name][None], grad[None])
    for place, name in enumerate(names):
        for s, grad in initial_grads.items():
            agrees(f"{name}.initial_grads.{s}", trace[name].initial_grads[s][None], grad[place][None])


def starting(module: nn.RNNBase, B: int, dtype: torch.dtype = torch.float64) -> Initial:
    own = STATES["lstm" if isinstance(module, nn.LSTM) else "gru"]
    return {
        name: {s: numbers(B, H, dtype=dtype, seed=10 * i + k) * 0.5 for k, s in enumerate(own)}
        for i, name in enumerate(names_of(module))
    }


def as_torch_has_them(initial: Initial) -> Any:
    """h_0, or (h_0, c_0), each (layers · directions, B, H)."""
    states = [torch.stack([own[s] for own in initial.values()]) for s in next(iter(initial.values()))]
    return states[0] if len(states) == 1 else tuple(states)


def straight(data: Tensor) -> Tensor:
    return data


def turned(data: Tensor) -> Tensor:
    return data.transpose(0, 1)


@settings(max_examples=15, deadline=None, derandomize=True, database=None, phases=[Phase.generate])
@given(
    kind=st.sampled_from(KINDS),
    num_layers=st.integers(1, 3),
    bidirectional=st.booleans(),
    bias=st.booleans(),
    batch_first=st.booleans(),
    dtype=st.sampled_from([torch.float64, torch.float64, torch.float32]),
    T=st.integers(1, 4),
    B=st.integers(1, 3),
    seed=st.integers(0, 99),
    initial=st.sampled_from(["missing", "by layer", "torch's"]),
)
def test_every_form_of_module_agrees(
    kind: str, num_layers: int, bidirectional: bool, bias: bool, batch_first: bool, dtype: torch.dtype, T: int, B: int,
    seed: int, initial: str,
) -> None:  # fmt: skip
    options = {"num_layers": num_layers, "bidirectional": bidirectional, "bias": bias, "batch_first": batch_first}
    module = made(kind, dtype, seed, **options)
    x = numbers(B, T, D, dtype=dtype, seed=seed) if batch_first else numbers(T, B, D, dtype=dtype, seed=seed)
    states = None if initial == "missing" else starting(module, B, dtype)
    form = as_torch_has_them(states) if states is not None and initial == "torch's" else None
    assert_all_agree(kind, module, x, turned if batch_first else straight, states, form=form)


LENGTHS = {
    "sorted": ([6, 4, 4, 1], True),
    "unsorted": ([2, 6, 1, 5], False),
    "all alike": ([6, 6, 6, 6], True),
    "a single step each": ([1, 1, 1, 1], False),
}


@pytest.mark.parametrize(("lengths", "enforce_sorted"), LENGTHS.values(), ids=LENGTHS.keys())
@pytest.mark.parametrize("kind", KINDS)
def test_packed_sequences_agree(kind: str, lengths: list[int], enforce_sorted: bool) -> None:
    module = made(kind, num_layers=2, bidirectional=True)
    x = pack_padded_sequence(numbers(6, 4, D), torch.tensor(lengths), enforce_sorted=enforce_sorted)

    def time_first(data: Tensor) -> Tensor:
        return pad_packed_sequence(x._replace(data=data))[0]

    assert_all_agree(kind, module, x, time_first, starting(module, 4), torch.tensor(lengths))


@pytest.mark.parametrize("form", ["plain", "batch_first", "packed"])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
@pytest.mark.parametrize("kind", ["relu", "lstm"])
def test_dropout_in_training_is_what_the_module_s_own_forward_draws(kind: str, dtype: torch.dtype, form: str) -> None:
    """From the same random state. That the outputs are the module's shows that the masks are."""
    module = made(kind, dtype, num_layers=3, dropout=0.4, batch_first=form == "batch_first").train()
    x: Any = numbers(5, 3, D, dtype=dtype)
    time_first, lengths = straight, None
    if form == "batch_first":
        x, time_first = turned(x), turned
    elif form == "packed":
        lengths = torch.tensor([3, 5, 2])
        x = pack_padded_sequence(x, lengths, enforce_sorted=False)

        def time_first(data: Tensor) -> Tensor:
            return pad_packed_sequence(x._replace(data=data))[0]

    with torch.random.fork_rng():
        torch.manual_seed(8)
        state = torch.get_rng_state()
        shape = (len(x.data), H) if form == "packed" else (5, 3, H)
        masks = [nn.functional.dropout(torch.ones(*shape, dtype=dtype), 0.4) for _ in range(2)]
        assert all(0 < int((mask == 0).sum()) < mask.numel() for mask in masks)
        masks = [time_first(mask) if form == "packed" else mask for mask in masks]
        torch.set_rng_state(state)
        assert_all_agree(kind, module, x, time_first, lengths=lengths, masks=masks)


def test_dropout_in_training_draws_anew_with_the_random_state_and_not_at_all_in_evaluation() -> None:
    module, x = made("lstm", num_layers=2, dropout=0.5), numbers(4, 2, D)
    with torch.random.fork_rng():
        torch.manual_seed(3)
        first = engine.trace(module.train(), x, loss=loss)
        assert torch.equal(first.outputs, engine.trace(module, x, loss=loss).outputs)
        torch.rand(1)
        assert not torch.equal(first.outputs, engine.trace(module, x, loss=loss).outputs)
    assert module.training
    plain = made("lstm", num_layers=2)
    trace = engine.trace(module.eval(), x, loss=loss)
    assert torch.equal(trace.outputs, engine.trace(plain, x, loss=loss).outputs)
    assert_agrees(trace, by_loop("lstm", dict(module.named_parameters()), ["l0", "l1"], x))


@pytest.mark.parametrize("bias", [True, False], ids=["biases", "no biases"])
@pytest.mark.parametrize("started", [True, False], ids=["from a state", "from zero"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_cell_is_run_over_the_sequence(kind: str, started: bool, bias: bool) -> None:
    options = {"nonlinearity": kind} if CELL[kind] == "rnn" else {}
    with torch.random.fork_rng():
        torch.manual_seed(2)
        cell = CELLS[kind](D, H, bias=bias, dtype=torch.float64, **options)  # type: ignore[arg-type]
    x, own = numbers(5, 2, D), STATES[CELL[kind]]
    states = {s: numbers(2, H, seed=5 + k) for k, s in enumerate(own)}
    starts = [states[s].clone().requires_grad_() if started else torch.zeros(2, H, dtype=torch.float64) for s in own]
    given: Any = starts[0] if len(own) == 1 else tuple(starts)
    trace = engine.trace(cell, x, loss=loss, initial=given if started else None)
    weights = {f"{name}_l0": parameter for name, parameter in cell.named_parameters()}
    assert_agrees(trace, by_loop(kind, weights, ["l0"], x, {"l0": states} if started else None))
    leaf, state, outputs = x.clone().requires_grad_(), given, []
    for x_t in leaf:
        state = cell(x_t, state)
        outputs.append(state[0] if isinstance(state, tuple) else state)
    sum(losses(outputs)).backward()
    assert leaf.grad is not None
    assert largest_error("input_grad", trace.input_grad, leaf.grad) <= 1e-10
    for name, parameter in cell.named_parameters():
        assert parameter.grad is not None
        assert largest_error(name, trace["l0"].weight_grads[name][None], parameter.grad[None]) <= 1e-10
    for s, start in zip(own, starts, strict=True):
        if started:
            assert largest_error(s, trace["l0"].initial_grads[s][None], start.grad[None]) <= 1e-10


def test_states_that_are_missing_for_some_layers_are_zero_there() -> None:
    module, x, h = made("gru", num_layers=2, bidirectional=True), numbers(3, 2, D), numbers(2, H)
    reference = by_loop("gru", dict(module.named_parameters()), names_of(module), x, {"l1_reverse": {"h": h}})
    assert_agrees(engine.trace(module, x, loss=loss, initial={"l1_reverse": {"h": h}}), reference)


def told(call: Callable[[], object], *words: str) -> None:
    with pytest.raises(engine.DataError) as error:
        call()
    sentence = str(error.value)
    assert one_sentence(sentence), sentence
    for word in words:
        assert word in sentence, sentence


def test_initial_states_of_another_shape_are_refused_in_one_sentence() -> None:
    module, x = made("lstm", num_layers=2, bidirectional=True), numbers(3, 2, D)
    shape = "(4, 2, 4)"
    for wrong in (numbers(2, 2, H), numbers(4, 3, H), numbers(4, 2, H + 1), numbers(2, H)):
        told(lambda wrong=wrong: engine.trace(module, x, loss=loss, initial=(wrong, wrong)), "initial.h", shape)
        told(lambda wrong=wrong: engine.trace(module, x, loss=loss, initial={"c": wrong}), "initial.c", shape)
    told(
        lambda: engine.trace(module, x, loss=loss, initial={"l1": {"c": numbers(3, H)}}),
        "initial.l1.c", "(3, 4)", "(2, 4)",
    )  # fmt: skip
    told(lambda: engine.trace(module, x, loss=loss, initial=numbers(4, 2, H)), "initial", "(h_0, c_0)")


def test_layers_that_are_not_there_are_named_beside_those_that_are() -> None:
    module, x = made("gru", num_layers=2), numbers(3, 2, D)
    trace = engine.trace(module, x, loss=loss)
    told(lambda: trace["l2"], "'l2'", "l0, l1")
    told(lambda: trace["l0_reverse"], "'l0_reverse'", "l0, l1")
    told(lambda: trace.flow_matrix("l7"), "'l7'", "l0, l1")
    told(lambda: engine.trace(module, x, loss=loss, initial={"l2": {"h": numbers(2, H)}}), "'l2'", "l0, l1")


def test_a_projection_is_refused_in_one_sentence() -> None:
    told(lambda: engine.trace(nn.LSTM(3, 4, proj_size=2), torch.ones(2, 1, 3), loss=loss), "proj_size is 2", "0")
