"""Keep sessions from being billed unseen: the journal, the guard and the stops."""
