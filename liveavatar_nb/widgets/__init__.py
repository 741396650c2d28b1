"""The widgets: each declares traits and holds controllers, which a `Link` connects to the pages."""
