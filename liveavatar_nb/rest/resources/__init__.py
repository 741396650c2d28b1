"""The service's operations, one method each, grouped as in the contract."""
