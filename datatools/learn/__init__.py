"""Learning from images: device, models, training and cross-fitting. The only package that imports torch."""
