"""Frames and events, encoded and decoded; no input and no output."""
