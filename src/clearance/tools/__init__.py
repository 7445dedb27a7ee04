"""Tool runners: how an approved act reaches the world."""
