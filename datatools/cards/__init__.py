"""What goes with a data set when it is passed on: a dataset card, Croissant metadata, and the licence of every image."""
