"""The Tape menu: the playhead, how it steps, the iterations, and the cell that is followed."""

from __future__ import annotations

from PySide6.QtCore import QObject, Slot

from engine.tape import Phase
from explorer.bindings import Bindings
from explorer.bindings.parts import Parts
from explorer.lists import Lists


class TapeCommands(QObject):
    def __init__(self, parts: Parts, bindings: Bindings, lists: Lists, parent: QObject) -> None:
        super().__init__(parent)
        self._parts, self._document, self._controller = parts, parts.document, parts.controller
        self._tape, self._cell, self._lists = bindings.tape, bindings.cell, lists

    @Slot()
    def do_play(self) -> None:
        self._tape.toggle_play()

    @Slot()
    def do_step_forward(self) -> None:
        self._tape.step(1)

    @Slot()
    def do_step_back(self) -> None:
        self._tape.step(-1)

    @Slot()
    def do_gate_forward(self) -> None:
        self._tape.step_gates(1)

    @Slot()
    def do_gate_back(self) -> None:
        self._tape.step_gates(-1)

    @Slot()
    def do_by_step(self) -> None:
        self._tape.pick_granularity("step")

    @Slot()
    def do_by_layer(self) -> None:
        self._tape.pick_granularity("layer")

    @Slot()
    def do_by_gate(self) -> None:
        self._tape.pick_granularity("gate")

    @Slot()
    def do_at_end_stop(self) -> None:
        self._tape.pick_at_end("stop")

    @Slot()
    def do_at_end_repeat(self) -> None:
        self._tape.pick_at_end("repeat")

    @Slot()
    def do_at_end_next(self) -> None:
        self._tape.pick_at_end("next")

    @Slot()
    def do_next_phase(self) -> None:
        self._parts.player.pause()
        self._controller.step_phase(1)

    @Slot()
    def do_previous_phase(self) -> None:
        self._parts.player.pause()
        self._controller.step_phase(-1)

    @Slot()
    def do_to_start(self) -> None:
        self._tape.to_start()

    @Slot()
    def do_to_end(self) -> None:
        self._tape.to_end()

    def _go(self, phase: Phase) -> None:
        self._tape.scrub(self._document.tape.span(phase)[0])

    @Slot()
    def do_to_forward(self) -> None:
        self._go(Phase.FORWARD)

    @Slot()
    def do_to_loss(self) -> None:
        self._go(Phase.LOSS)

    @Slot()
    def do_to_backward(self) -> None:
        self._go(Phase.BACKWARD)

    @Slot()
    def do_to_clip(self) -> None:
        self._go(Phase.CLIP)

    @Slot()
    def do_to_update(self) -> None:
        self._go(Phase.UPDATE)

    @Slot()
    def do_cell_above(self) -> None:
        self._cell.step_layer(1)

    @Slot()
    def do_cell_below(self) -> None:
        self._cell.step_layer(-1)

    @Slot()
    def do_smallest_gradient(self) -> None:
        self._tape.go_to_extreme(largest=False)

    @Slot()
    def do_largest_gradient(self) -> None:
        self._tape.go_to_extreme(largest=True)

    @Slot()
    def do_next_event(self) -> None:
        self.step_event(1)

    @Slot()
    def do_previous_event(self) -> None:
        self.step_event(-1)

    @Slot(int)
    def step_event(self, direction: int) -> None:
        self._parts.player.pause()
        if not self._controller.step_event(direction):
            self._parts.say(self._no_event(direction), 4000)

    def _no_event(self, direction: int) -> str:
        """Why there is none in that direction."""
        events = self._controller.excerpt.events if self._controller.excerpt is not None else ()
        count, steps = len(events), self._document.tape.steps
        if not count:
            return "This trace has no events."
        if self._document.view.position in {event.position(steps) for event in events}:
            return f"This is the {'last' if direction > 0 else 'first'} event of {count}."
        which = "The only event lies" if count == 1 else f"All {count} events lie"
        return f"{which} behind: Shift+N goes back." if direction > 0 else f"{which} ahead: N goes on."

    @Slot()
    def do_next_iteration(self) -> None:
        view = self._document.view
        self._tape.pick_iteration(view.iteration + 1)

    @Slot()
    def do_previous_iteration(self) -> None:
        view = self._document.view
        if view.iteration > 0:
            self._tape.pick_iteration(view.iteration - 1)

    @Slot()
    def do_events(self) -> None:
        self._lists.show_events()
