"""``make gpu``: runs the project on a GPU and reports the results; docs/gpu.md explains it."""
