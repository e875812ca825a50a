"""Looking at the queue in FiftyOne: the app edits a cache, and what was decided becomes fix records."""
