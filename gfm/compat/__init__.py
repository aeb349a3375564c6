"""Private parts of other libraries, a module for each, so that one place breaks when they move."""
