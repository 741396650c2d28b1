"""Widgets: one module each; `channel` brings the page's commands."""
