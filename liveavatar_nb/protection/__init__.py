"""What keeps a session from being billed unseen: the journal, the guard and the stops."""
