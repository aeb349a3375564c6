"""Tools shared by all packages: files, terminal, progress, processes and ranks."""
