"""The widgets. Each declares its traits and holds controllers, which a `Link` connects to its pages."""
