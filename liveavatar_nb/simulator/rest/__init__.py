"""The REST side of the service, by subject, as the contract has it."""
