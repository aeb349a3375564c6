"""Shared code of the notebooks: quiet libraries, configurations as on the command line, figures."""

import warnings
from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig
from torch import Tensor

from gfm.run.configs import CONFIGS
from gfm.system.startup import silence_libraries

silence_libraries()
warnings.filterwarnings("ignore", "IProgress not found")
warnings.filterwarnings("ignore", 'install "ipywidgets"')


def configuration(name: str, *overrides: str) -> DictConfig:
    """Compose ``train`` or ``evaluate`` from overrides, as the command line does."""
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        return compose(name, list(overrides))


def show(
    rows: Sequence[Sequence[np.ndarray | Tensor]],
    titles: Sequence[str] = (),
    labels: Sequence[str] = (),
    width: float = 12,
    **options: object,
) -> np.ndarray:
    """Draw pictures as a grid and return its axes, rows by columns.

    Args:
        rows: Rows of pictures: arrays H×W or H×W×3, or tensors C×H×W; integers in 0..255, floats
            in [0, 1].
        titles: Above the columns.
        labels: To the left of the rows.
        width: Of the figure, in inches.
        options: For matplotlib's ``imshow``, such as ``cmap``.
    """
    rows = [[_array(picture) for picture in row] for row in rows]
    columns = len(rows[0])
    aspects = [max(p.shape[0] / p.shape[1] for p in row) for row in rows]
    height = width / columns * sum(aspects) + 0.35 * bool(titles)
    figure, axes = plt.subplots(
        len(rows),
        columns,
        figsize=(width, height),
        squeeze=False,
        layout="constrained",
        height_ratios=aspects,
    )
    figure.get_layout_engine().set(w_pad=0.03, h_pad=0.03, wspace=0, hspace=0)
    for ax, picture in zip(axes.flat, (p for row in rows for p in row), strict=True):
        largest = 255 if picture.dtype.kind in "iu" else 1
        ax.imshow(picture, **{"cmap": "gray", "vmin": 0, "vmax": largest, **options})
        ax.set(xticks=[], yticks=[])
        ax.autoscale(False)  # drawing over a picture must not change its limits
        ax.spines[:].set_visible(False)
    for ax, title in zip(axes[0], titles, strict=False):
        ax.set_title(title, fontsize=11)
    for ax, label in zip(axes[:, 0], labels, strict=False):
        ax.set_ylabel(label, fontsize=11)
    return axes


def _array(picture: np.ndarray | Tensor) -> np.ndarray:
    if isinstance(picture, Tensor):
        picture = picture.detach().cpu().numpy().transpose(1, 2, 0)
    return picture[..., 0] if picture.shape[2:] == (1,) else picture
