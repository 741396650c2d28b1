"""The avatars as they are drawn."""
