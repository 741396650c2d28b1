"""Threads, tasks and clocks that the other packages share."""
