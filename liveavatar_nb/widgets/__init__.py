"""Widgets: one module each; `worker` writes their traits, `channel` brings the page's commands."""
