"""Notebook widgets. Each has traits and controllers; a `Link` connects the controllers to the pages."""
