"""The demo: a believable working day, offline, against real MCP servers."""
