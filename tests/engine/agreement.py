"""A trace held to the reference, quantity by quantity, in the measure of engine.measure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import torch
from reference_layer import BLOCKS, LayerReference
from reference_network import Reference
from torch import Tensor

from engine.layer_trace import LayerTrace
from engine.measure import ROUNDINGS, TOLERANCE, step_errors
from engine.tracing import Trace

Tensors = dict[str, Tensor]


def assert_agrees(trace: Trace, reference: Reference, nearby: Iterable[Reference] = ()) -> None:
    """Every quantity of the trace is the reference's, to the audit's tolerance, and the audit says so too.

    `nearby`: of networks whose numbers are off by a few roundings. A right computation is exact for such a network,
    so where those two differ by more than the tolerance, it may differ as much. Of several the largest difference
    counts: a single one may by chance be exact at some number. What can only forgive is made when there is something
    to be forgiven: the next of them, where what there is does not explain a difference.
    """
    assert list(trace.layers) == list(reference.layers)
    for name, layer in trace.layers.items():
        assert_padding_is_nothing(name, layer, reference.layers[name])
    ours, theirs = dict(of_trace(trace)), dict(of_reference(reference))
    assert list(ours) == list(theirs)
    terms = dict(terms_of(reference))
    more, beside = iter(nearby), []
    for name, expected in theirs.items():
        while True:
            error = largest_error(name, ours[name], expected, terms.get(name), [one[name] for one in beside])
            if error <= TOLERANCE[trace.layer.x.dtype]:
                break
            another = next(more, None)
            assert another is not None, f"{name}: {error:.2e}"
            beside.append(dict(of_reference(another)))
    found = trace.audit()
    assert found.passed, found.worst


def largest_error(
    name: str, ours: Tensor, theirs: Tensor, terms: Tensor | None = None, nearby: Sequence[Tensor] = ()
) -> float:
    """Of the steps of two arrays (T, …)."""
    assert ours.shape == theirs.shape, f"{name}: {tuple(ours.shape)}, {tuple(theirs.shape)}"
    assert ours.dtype == theirs.dtype, f"{name}: {ours.dtype}, {theirs.dtype}"
    size = torch.zeros(theirs.shape, dtype=torch.float64) if terms is None else terms
    for one in nearby:
        off = torch.nan_to_num((one.double() - theirs.double()).abs(), nan=0.0)
        size = torch.maximum(size, 16 * off / (ROUNDINGS * torch.finfo(theirs.dtype).eps))
    flat = (array.reshape(len(array), -1) for array in (ours, theirs, size))
    return float(step_errors(*flat).max())


def of_trace(trace: Trace) -> Iterator[tuple[str, Tensor]]:
    for name, layer in trace.layers.items():
        assert set(layer.values) == set(layer.grads)
        for kind, arrays in (("values", layer.values), ("grads", layer.grads), ("before", layer.before)):
            yield from ((f"{name}.{kind}.{s}", arrays[s]) for s in sorted(arrays))
        yield from ((f"{name}.initial_grads.{s}", layer.initial_grads[s][None]) for s in sorted(layer.initial_grads))
        yield from ((f"{name}.weight_grads.{w}", layer.weight_grads[w][None]) for w in sorted(layer.weight_grads))
        yield from (
            (f"{name}.share.{w}", layer.weight_grad_share(w)[:, None].to(layer.x)) for w in sorted(layer.weights)
        )
        yield from ((f"{name}.{n}", getattr(layer, n)) for n in ("x", "input_grad", "output_grads"))
        flows = [trace.flow_gradient(s, name) for s in range(len(trace.losses))]
        yield from ((f"{name}.flow_gradient({s})", flow) for s, flow in enumerate(flows))
        yield f"{name}.flow_row(-1)", trace.flow_row(-1, name)[:, None]
        yield f"{name}.flow_matrix", trace.flow_matrix(name).reshape(-1, 1)
        yield f"{name}: the sum of all flows", sum(flows, torch.zeros_like(flows[0]))
    yield "input_grad", trace.input_grad
    yield "outputs", trace.outputs
    yield "losses", trace.losses
    yield "loss", trace.loss[None]
    yield from ((name, trace.head_grads[name][None]) for name in sorted(trace.head_grads))


def of_reference(reference: Reference) -> Iterator[tuple[str, Tensor]]:
    for name, layer in reference.layers.items():
        for kind, arrays in (("values", layer.values), ("grads", layer.grads), ("before", layer.before)):
            yield from ((f"{name}.{kind}.{s}", arrays[s]) for s in sorted(arrays))
        parts = layer.weight_parts
        yield from ((f"{name}.initial_grads.{s}", layer.initial_grads[s][None]) for s in sorted(layer.initial_grads))
        yield from ((f"{name}.weight_grads.{w}", parts[w].sum(0)[None]) for w in sorted(parts))
        yield from ((f"{name}.share.{w}", norms(parts[w]).to(layer.x)) for w in sorted(parts))
        yield from ((f"{name}.{n}", getattr(layer, n)) for n in ("x", "input_grad", "output_grads"))
        yield from ((f"{name}.flow_gradient({s})", flow) for s, flow in enumerate(layer.flows))
        matrix = torch.linalg.vector_norm(layer.flows.double(), dim=3).sum(2) / layer.mask.sum(1)
        matrix = matrix.masked_fill(~layer.reach, torch.nan)
        yield f"{name}.flow_row(-1)", matrix[-1][:, None]
        yield f"{name}.flow_matrix", matrix.reshape(-1, 1)
        yield f"{name}: the sum of all flows", layer.grads["h"]
    yield "input_grad", reference.input_grad
    yield "outputs", reference.outputs
    yield "losses", reference.losses
    yield "loss", reference.loss[None]
    yield from ((name, reference.head_grads[name][None]) for name in sorted(reference.head_grads))


def terms_of(reference: Reference) -> Iterator[tuple[str, Tensor]]:
    """Σ|x| of what is a sum Σx, of which rounding may leave nothing."""
    yield from ((name, terms[None]) for name, terms in reference.head_terms.items())
    for name, layer in reference.layers.items():
        for weight in layer.weight_parts:
            parts = terms_of_parts(layer, weight)
            yield f"{name}.weight_grads.{weight}", parts.sum(0)[None]
            yield f"{name}.share.{weight}", norms(parts)


def terms_of_parts(layer: LayerReference, weight: str) -> Tensor:
    """(T, …): Σ|δ||z| of the samples, where a step contributes Σδz to a weight's gradient.

    Batch normalisation takes out a shift of all samples, so that the contributions to a bias cancel wholly, and nothing
    but rounding is left: that of this sum, and what δ brings with it out of the normalisation. So does layer
    normalisation one of all units (`LayerReference.normed`)."""
    cell = "lstm" if "f" in layer.grads else "gru" if "z" in layer.grads else "rnn"
    head = "s" if "norm_weight" in layer.weight_parts and not weight.startswith("norm") else "a"
    names = [f"{head}_{gate}" if gate else head for gate in BLOCKS[cell]]
    if weight.endswith("_hh"):
        names = ["q" if name.endswith("_n") else name for name in names]
    side = torch.cat([layer.grads[name] for name in names], 2).double().abs() * 8
    if head == "s":
        lost = {**layer.normed, "q": layer.normed["s_n"] * layer.values["r"].abs()} if cell == "gru" else layer.normed
        side = side + torch.cat([lost[name] for name in names], 2).double()
    if weight.startswith(("bias", "norm")):  # γ's part is δa⊙ŝ, and ŝ is at most √H
        return side.sum(1) * (layer.grads["h"].shape[2] ** 0.5 if weight == "norm_weight" else 1.0)
    return side.mT @ (layer.x if weight == "weight_ih" else layer.met).double().abs()


def norms(parts: Tensor) -> Tensor:
    return torch.linalg.vector_norm(parts.double().flatten(1), dim=1)[:, None]


def assert_padding_is_nothing(name: str, ours: LayerTrace, theirs: LayerReference) -> None:
    """Exactly 0 in every value and gradient, and where it is."""
    if ours.mask is None:
        assert bool(theirs.mask.all()), name
        return
    assert torch.equal(ours.mask, theirs.mask), name
    padding = ~theirs.mask
    arrays: Mapping[str, Mapping[str, Tensor]] = {"values": ours.values, "grads": ours.grads}
    for kind, found in arrays.items():
        for symbol, array in found.items():
            assert bool((array[padding] == 0).all()), f"{name}.{kind}.{symbol}"
    assert bool((ours.input_grad[padding] == 0).all()), name
    assert bool((ours.x[padding] == 0).all()), name


def nudged(tensor: Tensor, source: torch.Generator) -> Tensor:
    """Off by up to eight roundings; in float64."""
    if not tensor.is_floating_point():
        return tensor
    noise = torch.rand(tensor.shape, generator=source, dtype=torch.float64) * 2 - 1
    return tensor.double() * (1 + 8 * torch.finfo(tensor.dtype).eps * noise)
