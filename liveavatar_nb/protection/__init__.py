"""Keep sessions from being billed unnoticed: the journal, the guard and the stops."""
