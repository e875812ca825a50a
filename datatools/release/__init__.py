"""Releases of the data and of the model: semantic versions, what they must say, changelog and tag."""
