"""What a pull request changed, in the data and in what the model makes of it: `datatools report --against BASE`."""
