"""One file per check. A new check is one new file here that exposes one CHECK; nothing has to be registered."""
