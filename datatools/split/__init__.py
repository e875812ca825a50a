"""Train, validation and test sides that stay as they are while the data grows, and a certificate of what they promise."""
