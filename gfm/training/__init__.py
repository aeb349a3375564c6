"""Training: the Lightning module, its callbacks and loggers, and resuming after an interruption."""
