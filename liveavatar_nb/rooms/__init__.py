"""LiveKit rooms: a session's room, this process as a participant in it, and the user's own rooms."""
