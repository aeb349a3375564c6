"""All benchmarks, or one: python -m tests.benchmarks models --help.

Each prints ratios of ours to a reference, side by side.
"""

import sys

from tests.benchmarks import (
    bench_cutouts,
    bench_formats,
    bench_inference,
    bench_loader,
    bench_metrics,
    bench_models,
    bench_predict,
    bench_training,
    bench_video,
)

BENCHMARKS = {
    "cutouts": bench_cutouts.main,
    "formats": bench_formats.main,
    "inference": bench_inference.main,
    "loader": bench_loader.main,
    "metrics": bench_metrics.main,
    "models": bench_models.main,
    "predict": bench_predict.main,
    "training": bench_training.main,
    "video": bench_video.main,
}

if __name__ == "__main__":
    name = sys.argv.pop(1) if len(sys.argv) > 1 else None
    if name is None:
        for main in BENCHMARKS.values():
            main()
    elif name in BENCHMARKS:
        BENCHMARKS[name]()
    else:
        sys.exit(f"no benchmark {name}: choose from {', '.join(BENCHMARKS)}")
