"""Threads, tasks and clocks: what the other packages share."""
