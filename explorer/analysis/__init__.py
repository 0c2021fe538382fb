"""The analysis panel: what is computed of a trace while its section is open."""
