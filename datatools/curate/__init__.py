"""What a person should look at next, and why: label issues, rare slices, the review queue."""
