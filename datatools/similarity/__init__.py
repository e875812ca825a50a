"""Which images are alike: embeddings, the neighbour graph, near-duplicates."""
