"""What is said in a session, in FULL and in LITE mode."""
