"""A running session: its conversation, its commands, and what the avatar says."""
