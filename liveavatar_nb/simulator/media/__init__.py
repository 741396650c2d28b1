"""The avatar in a real LiveKit room: the server, tokens, face and sound. Heavy packages are imported on first use."""
