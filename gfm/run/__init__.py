"""How runs start and end: composing, faults, sweeps, what is printed."""
