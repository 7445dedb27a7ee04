"""The command line, `clearance`."""
