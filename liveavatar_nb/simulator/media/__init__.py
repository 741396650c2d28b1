"""The avatar in a real LiveKit room: the server, tokens, faces, sound. What is heavy is imported when first used."""
