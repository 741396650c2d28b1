"""A session's LiveKit room, who represents this process in it, and rooms of the user's own."""
