"""What changed between two versions of the data: images, annotations, the split, findings, and who decided it."""
