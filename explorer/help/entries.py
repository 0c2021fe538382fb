"""The words of the program, each explained in plain sentences with its formula. Plain data.

The formulas are those of the engine: e_t is the direct ∂L/∂h_t, U is W_hh, and ‖·‖ the Euclidean norm over a layer's
units, taken for each sample and then averaged over the batch.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Entry:
    word: str
    text: str
    formula: str = ""
    find: str = ""
    """More words that it is found by: how it is written on screen."""


GROUPS: dict[str, tuple[Entry, ...]] = {
    "Gradients and what becomes of them": (
        Entry(
            "Gradient ∂L/∂h",
            "How much the loss L would change if the state h at step t were a little different. It is the total: every "
            "way from that state to every loss counts.",
            "∂L/∂h_t = e_t + (what step t + 1 hands back)",
            "derivative backpropagation delta",
        ),
        Entry(
            "Backpropagation through time",
            "The network is unrolled over its steps and the gradient is handed from step T back to step 1. Each step "
            "multiplies it with its Jacobian; many factors in a row make it vanish or explode.",
            "RNN: ∂L/∂h_t = e_t + Uᵀ ∂L/∂a_{t+1}",
            "bptt backward",
        ),
        Entry(
            "Vanishing, healthy, exploding",
            "The verdict on the gradient of the last loss: its norm at the first step over its norm at the last step "
            "that the loss reads. Vanishing (▼) is below 1e-6, exploding (▲) above 1e6, healthy (●) between them. "
            "Growth beyond these limits anywhere on the way back counts too, even where it is made up for later. "
            "What the ratio comes to a step stands beside it: over 20 steps ×1.7 a step is within the limits still. It "
            "says nothing of how large the norm is: what is healthy above 1e2 or below 1e-20 has ⚠ and its level.",
            "ratio = ‖∂L/∂h₁‖ / ‖∂L/∂h_T‖, a step: ratio^(1/(T − 1))",
            "verdict status line ratio threshold",
        ),
        Entry(
            "Gradient norm",
            "One number for how large the gradient of a step is: the root of the sum of squares over the units, for "
            "each sample, then the mean over the batch.",
            "‖v‖ = √(Σ v_i²)",
            "euclidean length size mean over samples curve",
        ),
        Entry(
            "Decade",
            "A factor of ten. From 1e-4 to 1e-2 are two decades.",
            "decades between a and b = log₁₀(b / a)",
            "power of ten log10 order of magnitude",
        ),
        Entry(
            "Decades a step (dec. a step)",
            "How fast a gradient shrinks or grows on its way back: the slope of log₁₀ of its norm, fitted by least "
            "squares. −0.3 dec. a step means that each step back halves it.",
            "slope of log₁₀ ‖∂L/∂h_t‖, one step back at a time",
            "dec. slope decay rate",
        ),
        Entry(
            "Direct gradient e",
            "What comes to h_t straight from the read-out and from the layer above, without the way through later "
            "steps.",
            "e_t",
            "direct",
        ),
        Entry(
            "Flow matrix",
            "One row for each loss, one column for each step: how much of the gradient of that loss alone reaches that "
            "step. The sum of all losses' gradients at a step is the gradient on the stage.",
            "N[s, k] = ‖∂L_s/∂h_k‖,  Σ_s ∂L_s/∂h_k = ∂L/∂h_k",
            "analysis which loss reaches which step",
        ),
        Entry(
            "Lag",
            "How many steps lie between a loss and the step that its gradient has come to.",
            "lag = s − k",
            "mean by lag",
        ),
        Entry(
            "Truncated BPTT (k1, k2)",
            "Every k1 steps the losses go back, k2 steps at most. What is farther away gets nothing: what is shown and "
            "trained is then not the gradient of the loss.",
            "L_t reaches the steps E − k2 < k ≤ t, with E = min(T, k1 ⌈t / k1⌉)",
            "truncation chunk detach cut off",
        ),
    ),
    "Where the gradient goes: routes": (
        Entry(
            "Route",
            "One of the ways by which the gradient gets from step t to step t − 1: through one gate, or along the cell "
            "state. What arrives is the sum of all routes.",
            "v = Σᵣ vᵣ",
            "way path",
        ),
        Entry(
            "Of what goes on",
            "A route's share in the gradient that goes on to the step before, measured along that gradient. The shares "
            "of all routes add up to 100 %.",
            "shareᵣ = ⟨vᵣ, v⟩ / ‖v‖²",
            "of what goes on to t-1 share percent",
        ),
        Entry(
            "Below 0: against it",
            "A route with a negative share points against the gradient that goes on: it takes something away from what "
            "the others bring.",
            "share_r < 0",
            "negative share cancel",
        ),
        Entry(
            "Routes cancel: Σ‖vᵣ‖ = 1.56 ‖v‖",
            "The sizes of the single routes together against the size of what arrives. 1 means that all pull the same "
            "way; 1.56 means that the routes carry half as much again as arrives, and the rest cancels.",
            "Σᵣ ‖vᵣ‖ / ‖v‖ ≥ 1",
            "sum ratio cancel",
        ),
        Entry(
            "Cell-state carousel",
            "The LSTM's way from c_t to c_{t−1}: only the forget gate lies on it, no weights and no squashing. With "
            "f near 1 the gradient comes through whole.",
            "∂c_t/∂c_{t−1} = diag(f_t)",
            "constant error carousel lstm memory",
        ),
        Entry(
            "Leak past the weights",
            "The GRU's way from h_t to h_{t−1} that goes by the update gate alone, past all weight matrices. With z "
            "near 1 the state, and the gradient, are handed on unchanged.",
            "the part diag(z_t) of ∂h_t/∂h_{t−1}",
            "leaky gru update gate",
        ),
    ),
    "Jacobians and spectra": (
        Entry(
            "Step Jacobian",
            "The matrix by which one step multiplies the gradient on its way back. Of an LSTM it is of h and c "
            "together, 2H × 2H.",
            "RNN: J_t = diag(φ′(a_t)) U",
            "derivative of the state",
        ),
        Entry(
            "Singular values",
            "By how much a step's Jacobian can stretch a gradient at most (σ_max) and at least. Those of the product "
            "of many steps tell what is left after many.",
            "J = Σ_i σ_i u_i v_iᵀ",
            "sigma spectrum svd",
        ),
        Entry(
            "Spectral radius ρ",
            "The largest size of an eigenvalue of W_hh. It decides about vanishing and exploding only in a linear "
            "network; a network with ρ = 0 can still explode for a while.",
            "ρ(W) = max |λ_i|",
            "eigenvalue unit circle",
        ),
        Entry(
            "Pascanu’s bound",
            "At most so much can come back: each step multiplies the gradient with no more than γ times the largest "
            "singular value of W_hh. Below 1 the gradient must vanish; above 1 it may explode, but need not.",
            "‖∂h_t/∂h_{t−1}‖ ≤ γ σ_max(W_hh); γ = 1 for tanh and ReLU, ¼ for sigmoid (Pascanu et al. 2013)",
            "bound limit certify",
        ),
        Entry(
            "Lyapunov exponent",
            "The mean rate at which a direction is stretched at each step of the product of Jacobians. Below 0 it "
            "shrinks.",
            "λ_i = mean of log |R_ii|, from J_t Q_{t−1} = Q_t R_t",
            "chaos rate",
        ),
    ),
    "Numbers and what is not one": (
        Entry(
            "2 decades a band",
            "The colours of gradient sizes come in bands: with two decades a band, one colour covers a factor of one "
            "hundred. A scale over few decades has narrower bands; the words beside the scale say how wide they are.",
            "band = ⌊log₁₀(|x| / low) / width⌋",
            "colour scale band heatmap",
        ),
        Entry(
            "Exact 0",
            "Nothing at all comes back, not merely little. It happens where a slope is exactly 0 (a dead ReLU, a "
            "saturated gate), where truncation cuts, and where a number has halved until none is left.",
            "",
            "zero",
        ),
        Entry(
            "Below the scale, above the scale (▽, ▲)",
            "The number is an ordinary one, but smaller or larger than what the scale's colours reach. It has not "
            "underflowed: set the scale wider to see it.",
            "",
            "hatched hatching clipped range",
        ),
        Entry(
            "Underflow",
            "A number became smaller than the number type can hold and turned to exact 0.",
            "float32: below 1.4e-45; float64: below 4.9e-324",
            "underflow event tiny",
        ),
        Entry(
            "Subnormal (3 subnormal, ≈2.8e-45)",
            "So many of the numbers are so close to 0 that the type holds them with fewer digits than usual. The next "
            "step towards 0 is exact 0.",
            "float32: 0 < |x| < 1.2e-38; float64: 0 < |x| < 2.2e-308",
            "denormal digits are going",
        ),
        Entry(
            "Overflow, ∞ and NaN",
            "A number became too large for its type and turned to infinity. The next operation with it may have no "
            "answer: NaN, not a number.",
            "float32: above 3.4e38; ∞ − ∞ = NaN",
            "inf infinite nan",
        ),
        Entry(
            "0*",
            "In the card of the update: this weight's change is not 0, but it is smaller than the spacing of the "
            "numbers around the weight, so adding it changes nothing.",
            "w − η ∂L/∂w = w in the number type",
            "star zero update change stays",
        ),
        Entry(
            "Not reached (outlined blank)",
            "The tape has not come there yet. It is not 0: it is not known.",
            "",
            "empty blank grey",
        ),
        Entry(
            "Padding",
            "Steps after the end of a shorter sequence. They hold nothing and are left out of norms and means.",
            "",
            "mask length shorter",
        ),
        Entry(
            "Saturated, dead",
            "A gate is saturated below 0.05 and above 0.95, where its slope is almost 0: it hardly learns. A ReLU unit "
            "is dead where its slope is 0 at every step so far.",
            "slope of a gate: σ′(a) = σ(a)(1 − σ(a))",
            "saturation stuck",
        ),
        Entry(
            "Bar over a number",
            "A mean over the layer’s units. Gates and slopes lie between 0 and 1, and their mean does too; all other "
            "numbers of “all units” are norms.",
            "f̄ = (1/H) Σ f_i",
            "overlined line above circuit mean norm",
        ),
        Entry(
            "Signed logarithm",
            "A scale for numbers of both signs over many decades: logarithmic away from 0, linear in a small zone "
            "around it, which is drawn on the scale.",
            "",
            "symlog linear in",
        ),
    ),
    "The tape": (
        Entry(
            "Tape",
            "One training iteration, laid out in the order in which it happens: forward t = 1 … T, loss, backward "
            "t = T … 1, clipping, update.",
            "2 T + 3 moments",
            "scrubber timeline phases",
        ),
        Entry(
            "Event",
            "Something on the tape worth a look: the first underflow or overflow, a NaN, clipping, a saturated gate, "
            "dead units. N goes to the next one.",
            "",
            "tick",
        ),
        Entry(
            "Iteration, iterations before",
            "One iteration is one pass over the tape with one batch. “Iterations before” are done when the experiment "
            "is opened, before anything is shown.",
            "",
            "training epoch update",
        ),
        Entry(
            "Training curves",
            "The loss of each iteration with its mean over the last few, and the norm of the whole gradient, before "
            "and after clipping. ▲ and ▽ stand at the edge for what is off the axis, × for what is not a number; ticks "
            "below mark iterations whose weights are kept, from which any other is trained again, to the bit.",
            "",
            "loss learning plot drawer travel history",
        ),
        Entry(
            "Flow over training",
            "The gradient's norm at every step (across) of every iteration (down), on the scale of all gradients: of "
            "the layer that the read-out reads, forward. The iteration on screen is marked. A click goes to another; "
            "by keys, select the track, Enter, ↑ ↓, Enter. Where rows share a pixel, the worst class shows, else the "
            "largest number. Blank is not trained yet.",
            "log₁₀ ‖∂L/∂h_t‖, for each sample, then the mean over the batch",
            "heatmap iterations history track learning row",
        ),
        Entry(
            "Evaluation",
            "The loss, and the accuracy or the RMSE (root mean squared error, in the data's own units), on a part of "
            "the data: what is learned from, the validation part that is looked at while training runs, or the test "
            "part, which is for the end. Diamonds on the loss curve are those of the validation part.",
            "RMSE = √(mean of (answer − target)²)",
            "judge judged validation test accuracy rmse held back metric",
        ),
        Entry(
            "Best iteration, early stop",
            "The iteration whose evaluation had the least validation loss; of equals the first. An early stop ends a "
            "training after so many evaluations that were no lower: the best iteration lies before its end.",
            "",
            "least lowest patience checkpoint",
        ),
        Entry(
            "Own data",
            "A table, a text or arrays from a file. The first part in time is learned from, the next is held back for "
            "validation, the last for the test; scaling is learned from the first part alone.",
            "",
            "open data csv series text sequences split import",
        ),
        Entry(
            "Counting from 0 and from 1",
            "Time steps and samples count from 1, as in the formulas. Units count from 0, as the rows of torch's "
            "weights do, and so do iterations: iteration 0 is the network before its first update.",
            "",
            "unit 0 index number",
        ),
        Entry(
            "Baseline",
            "What the loss is for answers that have learned nothing: the best constant, or the frequencies of the "
            "answers. A training curve that stays there has found nothing yet.",
            "",
            "learned nothing dashed plateau",
        ),
        Entry(
            "Clipping",
            "Makes a too large gradient smaller before the update. By norm the direction stays; by value it changes.",
            "by norm: g ← g · min(1, max / (‖g‖ + 1e-6))",
            "clip threshold norm value agc",
        ),
        Entry(
            "What-if",
            "A change on top of the weights, made with a slider or a switch: other recurrent weights, a held gate, a "
            "closed route. It never throws trained weights away, and is gone when it is set back.",
            "",
            "slider intervention scale bias",
        ),
        Entry(
            "Pin",
            "Keeps the norms of the trace on screen as dotted curves beside those of the next one, named by what "
            "differs.",
            "",
            "compare ghost earlier",
        ),
        Entry(
            "Match with autograd",
            "Every gradient here is derived by hand. It is compared with what PyTorch’s autograd gives for the same "
            "trace; the largest relative error stands in the status line.",
            "|ours − autograd| / |autograd|",
            "audit check error exact",
        ),
    ),
    "Cells": (
        Entry(
            "RNN",
            "The plain recurrent cell: one weight matrix from each state to the next.",
            "h_t = φ(W_ih x_t + U h_{t−1} + b)",
            "vanilla elman tanh relu",
        ),
        Entry(
            "LSTM",
            "Besides h it has a cell state c, written by the input gate i, kept by the forget gate f, and read by the "
            "output gate o; g is what could be written.",
            "c_t = f ⊙ c_{t−1} + i ⊙ g,  h_t = o ⊙ tanh(c_t)",
            "gate forget input output candidate",
        ),
        Entry(
            "GRU",
            "The update gate z keeps the old state, the reset gate r weighs it inside of the candidate n.",
            "h_t = z ⊙ h_{t−1} + (1 − z) ⊙ n,  n = tanh(W x + r ⊙ (U_n h_{t−1} + b_hn))",
            "gate reset update candidate",
        ),
        Entry(
            "Pre-activation a",
            "The sum that goes into a gate’s or the state’s squashing function.",
            "a_t = W_ih x_t + U h_{t−1} + b",
            "a_f a_i a_g",
        ),
        Entry(
            "Read-out, attention",
            "What turns states into the answer: the last step, every step, the mean of all, or all of them weighed by "
            "attention. With attention the loss has a short way to every step.",
            "Σ_t α_t h_t,  α = softmax(vᵀ tanh(W h_t + b)) (Bahdanau et al. 2015)",
            "output linear alpha weights",
        ),
        Entry(
            "Chrono initialisation",
            "Biases drawn so that gates remember over as many steps as the sequence has (Tallec & Ollivier 2018).",
            "b_f = log u, u uniform in [1, T − 1];  b_i = −b_f",
            "forget bias",
        ),
        Entry(
            "Share of a step in ∂L/∂W",
            "The gradient of a weight matrix is a sum over the steps; the share is the size of one step’s term.",
            "∂L/∂W_hh = Σ_t (∂L/∂a_t)ᵀ h_{t−1}",
            "weight gradient growth filling up",
        ),
    ),
}
