"""Handles the speech in a session, in FULL and in LITE mode."""
