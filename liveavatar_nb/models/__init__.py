"""The service's records and the bodies of requests, by subject."""
