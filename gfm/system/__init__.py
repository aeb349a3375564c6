"""What every room stands on: files, terminal, progress, processes and ranks."""
