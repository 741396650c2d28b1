"""Who is in a session's LiveKit room for this process, and rooms of the user's own."""
