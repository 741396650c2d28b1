"""The service's REST API, with one module for each subject in the contract."""
