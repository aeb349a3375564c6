"""Where a run's numbers go: Weights & Biases, metrics.csv."""
