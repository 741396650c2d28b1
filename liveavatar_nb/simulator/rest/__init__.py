"""The REST API of the service, one module per subject of the contract."""
