"""Notebook widgets: each has traits and controllers, and a `Link` connects the controllers to the pages."""
