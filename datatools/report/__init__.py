"""What a run found, for people: numbers, Markdown for a pull request, one HTML page, the end of a terminal run."""
