"""The REST API: one function for each operation of the contract, and the transport below them."""
