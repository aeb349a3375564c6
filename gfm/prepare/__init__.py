"""File tools: what the published datasets leave for their users to make, and a check of them."""
