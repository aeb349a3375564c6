"""``make gpu``: runs the project on a GPU and reports what holds; docs/gpu.md explains it."""
