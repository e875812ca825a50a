"""Remotes that are proven: push, pull, verify and gc around DVC's own remotes, with every object hashed."""
