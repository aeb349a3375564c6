"""Tools that every room uses: files, terminal, progress, processes and ranks."""
