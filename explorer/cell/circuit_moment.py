"""What a circuit shows: a step of an excerpt, as far as the tape has reached it."""

from __future__ import annotations

from dataclasses import dataclass

from engine.operations_of_cell import Way
from engine.requests import Excerpt
from explorer.cell.interventions import Hold, Interventions
from explorer.cell.quantity import NOTHING, Number, Reading
from explorer.cell.reach import Reached
from explorer.cell.readings import Readings
from explorer.cell.wiring import Node
from explorer.stage import borders
from explorer.widgets.labels import spoken


@dataclass(frozen=True, slots=True)
class Moment:
    excerpt: Excerpt
    step: int
    reached: Reached
    source: Readings
    known: frozenset[int]
    """By id, the numbers that are reached."""
    held: Interventions
    input_norm: Reading
    values: tuple[int, int]
    gradients: tuple[int, int]
    """Exponents of the ends of the wires' scales."""

    @property
    def way(self) -> Way:
        return "backward" if self.reached.backward else "forward"

    def reading(self, number: Number | None) -> Reading:
        return self.source.of(number, self.step) if number is not None and id(number) in self.known else NOTHING

    def has(self, number: Number | None) -> bool:
        return number is not None and id(number) in self.known

    def beside(self, node: Node) -> Number | None:
        """What stands beside a gate: its value; on the way back, while its turn is, the gradient that it hands on."""
        lit = self.reached.way == "backward" and node.made[1] in self.reached.now
        return node.gradient if lit and node.gradient is not None else node.value

    def cut(self, route: str) -> bool:
        return bool(route) and route in self.held.cuts and self.reached.backward

    def stopped(self, number: Number) -> borders.Stop:
        """How much of what the step hands back to the one before it truncation stops: it is not the product then."""
        return borders.stop(self.excerpt, self.step) if number.own and self.has(number) else ""

    def hold(self, node: Node) -> Hold | None:
        """What a what-if does to a gate."""
        return self.held.holds.get(node.latex) if node.kind == "gate" else None


def symbol_read(excerpt: Excerpt, step: int) -> str:
    """What the symbol is called that the shown layer reads at step t (from 1): "‘B’". "" where it reads another layer,
    numbers, the padding, or a symbol without a name."""
    of_input = excerpt.focus.name.partition("_")[0] == next(iter(excerpt.layers)).partition("_")[0]
    if not (of_input and excerpt.symbols and 1 <= step <= min(excerpt.length, len(excerpt.inputs))):
        return ""
    label = excerpt.read_labels.get(int(excerpt.inputs[step - 1, 0]))
    return "" if label is None else spoken(label)
