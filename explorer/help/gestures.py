"""What the mouse does, for the shortcut sheet. Plain data: (what one does, what happens), by place."""

from __future__ import annotations

GESTURES: dict[str, tuple[tuple[str, str], ...]] = {
    "Stage, over the data": (
        ("Move", "Exact value under the pointer"),
        ("Click", "Go to that step"),
        ("Click in the flow over training", "Go to that iteration too"),
        ("Shift+Click", "Choose that unit too"),
        ("Double click", "Show all steps"),
        ("Wheel", "Zoom time at the pointer"),
        ("Shift+Wheel", "Earlier and later steps"),
        ("Drag", "Earlier and later steps"),
        ("Right click", "Menu of the track"),
    ),
    "Stage, headers and scales": (
        ("Click on a name", "Select the track"),
        ("Drag a header", "Move the track"),
        ("Double click on a header", "Collapse or expand the track"),
        ("Drag a lower edge", "Height of the track"),
        ("Click on a scale that says so", "Fit it to what is shown"),
        ("Wheel", "Scroll the tracks"),
        ("Ctrl+Wheel", "Zoom time, anywhere on the stage"),
    ),
    "Elsewhere": (
        ("Drag on the tape", "Scrub through the phases"),
        ("Drag along a training curve", "Travel to that iteration"),
        ("Wheel over the training curves", "Zoom the iterations at the pointer; with Shift, earlier and later ones"),
        ("Drag their axis, or Shift+Drag", "Earlier and later iterations, where they are zoomed"),
        ("Double click the training curves", "Show all iterations"),
        ("Right click on a training curve", "What the curves show"),
        ("Click in the flow matrix", "Mark its loss and its step on the stage"),
        ("Double click a slider", "Back to its usual value"),
        ("Drag a layer’s card", "Move the layer in the stack"),
        ("Point at a symbol of the evaluation", "The likeliest five, and what was due"),
        ("Drop a .gflow file", "Open it"),
        ("Drop a table, a text or arrays", "Look at them, and use them as the task’s data"),
    ),
}
