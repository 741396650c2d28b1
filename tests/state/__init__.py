"""State machines: everything that can happen to sessions, in any order."""
