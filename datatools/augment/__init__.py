"""Augmented copies of training images: pixels, boxes, polygons, masks and points go together."""
