"""Samples: data sets made on the user's machine, with planted faults and an answer key."""
