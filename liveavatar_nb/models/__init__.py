"""The records that the service returns and the bodies of requests, by subject."""
