"""Tools that create files missing from published datasets, and check datasets."""
