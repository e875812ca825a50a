"""What a trained model does on the test split, in numbers and pictures."""
