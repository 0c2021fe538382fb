"""What stands in the columns of the series that tracks ask for (engine.series), by cell. Plain data, for views."""

from __future__ import annotations

from engine.quantities import QUANTITIES, ROUTES
from engine.spec import Activation, CellKind

SHARE = ("norm", "share")
"""Of each step's own part G_t of a weight's gradient G: ‖G_t‖, and ⟨G_t, G⟩/‖G‖², which is 1 in sum."""
GROWTH = ("sum", "step", "computed")
"""‖Σ G_t‖ over the steps that the way back has come to, ‖G_t‖, and 1 where the sum was taken (0: between two such)."""
SINGULAR = ("first", "second", "third", "smallest", "computed")
"""log₁₀ of singular values of a step's Jacobian, and 1 where they were taken."""
BOUND = "bound"
"""log₁₀ of Pascanu's bound, (T,): not a track, but a line in one."""
QUICK = "@quick"
"""After a key: on fewer steps, so that it keeps up with a slider."""


def squashed(cell: CellKind, activation: Activation) -> tuple[str, ...]:
    """The quantities that can saturate, as engine.saturation has them; () where nothing is flat anywhere."""
    if cell == "rnn":
        return ("h",) if activation in ("tanh", "sigmoid", "relu") else ()
    kinds = {q.symbol: q.kind for q in QUANTITIES[cell]}
    found = [symbol for symbol, kind in kinds.items() if kind in ("gate", "candidate")]
    return (*found, "c") if "c" in kinds else tuple(found)


SATURATION = ("low", "high", "dead")
"""Of each of them: the share of (unit, sample) at the low end, at the high end, and the share of units that have been
exactly flat at every step so far."""


def routes(cell: CellKind) -> tuple[str, ...]:
    """First the share of each route (⟨v_r, v⟩/‖v‖², 1 in sum), then log₁₀ of its norm, then of all together."""
    names = ROUTES[cell]
    return (*names, *(f"log10 {name}" for name in names), "log10 total")
