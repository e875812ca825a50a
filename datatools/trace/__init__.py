"""Where an image, an annotation, a model or a fix record comes from, and what became of it."""
