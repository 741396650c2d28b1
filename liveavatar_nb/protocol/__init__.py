"""The wire protocols of sessions: commands, events, and the WebSocket that carries them in LITE."""
