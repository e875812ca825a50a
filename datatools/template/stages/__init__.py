"""The stages of dvc.yaml: each reads, calls one library function, and writes."""
