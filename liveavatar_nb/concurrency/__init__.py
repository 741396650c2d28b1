"""Helpers for threads, tasks and clocks, shared by the other packages."""
