"""The REST API: one method per operation of the contract, and the transport that sends them."""
