"""The wire log: what went to the service and what came back."""
