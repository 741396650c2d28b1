"""The service's operations, one method each, grouped as the contract groups them."""
