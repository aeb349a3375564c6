"""All benchmarks, one after the other: each prints ratios of ours to a reference, side by side."""

from tests.benchmarks import bench_metrics

if __name__ == "__main__":
    bench_metrics.main()
