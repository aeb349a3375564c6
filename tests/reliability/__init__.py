"""What bad input does: a table of rows, each a command that has to end in one clear line."""
