"""An archive: every fact of a store as lines of JSON."""
