"""Training: the Lightning module, what surrounds it, and how it goes on after an interruption."""
