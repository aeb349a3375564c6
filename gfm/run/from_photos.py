"""Chooses batch size and crop sizes from the training photos."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from gfm.compat.hydra import instantiate
from gfm.config import TrainConfig
from gfm.data.even_spacing import spread_indices
from gfm.data.images import image_size
from gfm.data.layout import Photo
from gfm.option_sections import FROM_PHOTOS, Inference
from gfm.run.saved_options import saved_data
from gfm.system.console import console
from gfm.system.ranks import is_global_zero
from gfm.system.run_folder import SPLIT, run_of

_INPUT_SIZE = 320  # the paper's
_BATCH_SIZES = (2, 8)
_SMALL = 0.4  # of a photo's side; smaller windows do not show a whole animal
_NUM_SAMPLES = 100  # the sizes of at most this many photos are read


def restore_photo_options(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options of a resumed run, with what it once chose from its photos.

    If photos were added since, different values would be chosen, and photos that the run was
    trained on might be held out.

    Args:
        options: Plain options of a run, not yet validated.

    Raises:
        GFMError: The configuration in the folder of the run is damaged.
    """
    data, run = options["data"], run_of(Path(str(options["ckpt_path"])))
    saved = saved_data(run)
    kept = {name: saved[name] for name in FROM_PHOTOS if data.get(name) is None and name in saved}
    is_split = all(name in data and data[name] is None for name in ("split", "num_holdout"))
    if is_split and (run / SPLIT).is_file():
        kept["split"] = str(run / SPLIT)
    return {**options, "data": {**data, **kept}}


def fit_to_photos(config: TrainConfig) -> TrainConfig:
    """Choose the options of ``data`` that depend on the photos, where they are ``null``.

    The batch size is a quarter of the number of photos, from 2 to 8. The crop sizes are those that
    inference scales to the input size, as in the paper for AM-2k, and one that is a third larger.
    They are limited to the shorter side of the median photo. If inference first shrinks that photo
    to ``shorter_side``, the crops are larger by the same factor, and are shrunk by averaging.

    Raises:
        GFMError: Files are missing or unreadable.
    """
    data = config.data
    photos = instantiate(config.track.to_dict()).photos(instantiate(data.source.to_dict()).find())
    input_size = data.input_size or _INPUT_SIZE
    fewest, most = _BATCH_SIZES
    batch_size = data.batch_size or min(max(len(photos) // 4, fewest), most)
    side = _short_side(photos)
    factor = max(1, side / (data.shorter_side or side))
    scales = [scale / factor for scale in _scales(config.inference)]
    crop_sizes = data.crop_sizes or sorted({min(round(input_size / x), side) for x in scales})
    interpolation = data.interpolation or ("area" if factor > 1 else "linear")
    values = (batch_size, crop_sizes, input_size, interpolation)
    chosen = dict(zip(FROM_PHOTOS, values, strict=True))
    if is_global_zero():
        listed = " ".join(f"data.{name}={value}" for name, value in chosen.items())
        console().print(f"for {len(photos)} photos: {listed}")
        _warn_of_small_windows(side, crop_sizes, input_size)
    return config.replace(data=data.replace(**chosen))


def _short_side(photos: Sequence[Photo]) -> int:
    """Return the shorter side of the median photo in pixels."""
    chosen = spread_indices(len(photos), _NUM_SAMPLES)
    return int(median(min(image_size(photos[index].image)) for index in chosen))


def _warn_of_small_windows(side: int, crop_sizes: int | Sequence[int], input_size: int) -> None:
    largest = crop_sizes if isinstance(crop_sizes, int) else max(crop_sizes)
    if largest < _SMALL * side:
        warnings.warn(
            f"training shows at most {largest} of {side} pixels of a photo's side, because its "
            f"input has {input_size} pixels; weights trained on larger inputs suit them better",
            stacklevel=2,
        )


def _scales(inference: Inference) -> list[float]:
    """Return the factors from windows to the input: those of inference, and a smaller one."""
    options = inference.to_dict().items()
    scales = [value for name, value in options if name.endswith("scale")] or [1.0]
    return [*scales, min(scales) * 3 / 4]
