"""A track as a table of exact numbers: to read, to copy, to save."""
