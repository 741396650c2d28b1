"""Widgets: each declares its traits and holds controllers; `link` ties those to its pages."""
