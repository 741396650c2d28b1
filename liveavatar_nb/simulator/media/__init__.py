"""Avatars in real LiveKit rooms: the server, tokens, faces and audio.

Heavy packages are imported on first use.
"""
