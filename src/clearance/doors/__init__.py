"""The code that every door shares: credentials, strict JSON, and long-lived responses."""
