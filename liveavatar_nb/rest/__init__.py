"""The REST API: one method per operation in the contract, and the transport that sends the calls."""
