"""The cell panel: the cell at the cursor from the inside, as a circuit and as equations with their numbers."""
