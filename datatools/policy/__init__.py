"""Augmentation policies: named steps with ranges, for imgaug and for the training loop alike."""
