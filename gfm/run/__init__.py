"""Runs training and evaluation: configuration, errors, sweeps and console output."""
