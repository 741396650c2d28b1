"""The wire protocols of sessions: commands, events, and the WebSocket that carries both in LITE mode."""
