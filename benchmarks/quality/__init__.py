"""Seeded defects: clean real data, what is planted in it, who is asked, and how the answers are counted."""
