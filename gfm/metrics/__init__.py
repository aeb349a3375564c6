"""SAD, MSE, MAD, Grad and Conn of alpha mattes, exact under the GFM and DIM protocols."""

from gfm.metrics.functional import (
    connectivity_error,
    gradient_error,
    mean_absolute_difference,
    mean_squared_error,
    sum_absolute_difference,
)
from gfm.metrics.matting import (
    ConnectivityError,
    GradientError,
    MattingMetrics,
    MeanAbsoluteDifference,
    MeanSquaredError,
    SumAbsoluteDifference,
)
from gfm.metrics.protocols import METRIC_NAMES, metric_names, metric_units
from gfm.metrics.suite import ExtraMetrics, matting_metrics

__all__ = [
    "METRIC_NAMES",
    "ConnectivityError",
    "ExtraMetrics",
    "GradientError",
    "MattingMetrics",
    "MeanAbsoluteDifference",
    "MeanSquaredError",
    "SumAbsoluteDifference",
    "connectivity_error",
    "gradient_error",
    "matting_metrics",
    "mean_absolute_difference",
    "mean_squared_error",
    "metric_names",
    "metric_units",
    "sum_absolute_difference",
]
