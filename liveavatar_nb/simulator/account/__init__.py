"""What the account of the simulator holds."""
