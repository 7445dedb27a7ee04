"""The verbs. Each reads facts, asks the core, and commits once."""
