"""The records that the service returns, and the types of request bodies, by subject."""
