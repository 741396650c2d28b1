"""Keeps sessions from being billed unnoticed, with a journal, a guard process and confirmed stops."""
