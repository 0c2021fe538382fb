"""What is open: the state that undo restores, the view that it does not, and the one place that changes them."""
