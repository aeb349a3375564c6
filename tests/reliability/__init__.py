"""Tries to break the project with bad input, damaged files, machine failures, and long loads.

The rows of bad input are in the modules ``test_bad_*`` and run by :mod:`tests.reliability.rows`;
docs/reliability.md says what else is here and how to run it.
"""
