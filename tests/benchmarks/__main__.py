"""All benchmarks, or one: python -m tests.benchmarks models --help.

Each prints ratios of ours to a reference, side by side.
"""

import importlib
import sys
from pathlib import Path

NAMES = sorted(p.stem.removeprefix("bench_") for p in Path(__file__).parent.glob("bench_*.py"))

if __name__ == "__main__":
    chosen = [sys.argv.pop(1)] if len(sys.argv) > 1 else NAMES
    if unknown := set(chosen) - set(NAMES):
        sys.exit(f"no benchmark {unknown.pop()}: choose from {', '.join(NAMES)}")
    for name in chosen:
        importlib.import_module(f"tests.benchmarks.bench_{name}").main()
