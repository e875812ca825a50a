"""The stages of dvc.yaml: each reads, calls one library function, and writes."""

from datatools.starting import start_light

start_light()
