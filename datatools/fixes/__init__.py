"""Fix records: what people decided, append-only, and how the next run applies it."""
