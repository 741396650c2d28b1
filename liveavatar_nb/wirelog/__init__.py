"""The wire log: everything that was sent to the service and received from it."""
