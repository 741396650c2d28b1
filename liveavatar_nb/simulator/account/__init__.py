"""The contents of the simulated account."""
