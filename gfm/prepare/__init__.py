"""File tools that make what the published datasets lack, and check the files of a dataset."""
