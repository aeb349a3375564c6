"""Mattes pictures from Pillow, NumPy or torch with a network."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal, overload

import torch
from torch import Tensor

from gfm.compat.torch_errors import lacks_memory
from gfm.errors import GFMError
from gfm.inference.foreground import (
    ForegroundMethod,
    check_foreground_method,
    estimate_foreground,
)
from gfm.inference.inferers import Inferer, Prediction
from gfm.inference.pictures import Picture, convert_like, to_batch
from gfm.inference.shrinking import Shrinking
from gfm.models.batchnorm import fold_batchnorm
from gfm.models.gfm import GFM
from gfm.models.precision import allow_tf32, prefers_channels_last

Precision = Literal["32", "bf16", "16"]
_DTYPES = {"bf16": torch.bfloat16, "16": torch.float16}


class Predictor:
    """Mattes pictures: ``alpha = predictor(image)``.

    It takes a picture from Pillow, NumPy or torch, a batch of pictures of the same size, or a
    sequence of pictures of any size, and returns the same type; see :mod:`gfm.inference.pictures`.

    Args:
        model: Network with its weights. It is modified: batch normalisation is folded into its
            convolutions, so it cannot be trained afterwards.
        inferer: Applies the network to a whole picture.
        device: Device to move the network to.
        precision: ``32`` for float32 without TF32, or ``bf16`` or ``16`` for autocast.
        branch: Branch of a RIM network (``tt``, ``ft`` or ``bt``) whose matte is returned instead
            of the integrated one.
        max_size: Limit of the shorter side in pixels. Larger pictures are shrunk for the network,
            and their mattes enlarged; see :class:`gfm.inference.shrinking.Shrinking`. ``None``
            never shrinks.
        foreground: Method that estimates the colours of cut-outs, ``blur`` or ``ml``; see
            :mod:`gfm.inference.foreground`.

    Raises:
        GFMError: The precision, branch or method is unknown, or the size is not positive.
    """

    def __init__(
        self,
        model: GFM,
        inferer: Inferer,
        device: torch.device | str = "cpu",
        precision: Precision = "32",
        branch: str | None = None,
        max_size: int | None = 1080,
        foreground: ForegroundMethod = "blur",
    ) -> None:
        if precision not in ("32", *_DTYPES):
            raise GFMError(f"unknown precision {precision!r}: choose 32, bf16 or 16")
        names = [rosta.name for rosta in model.branches]
        if branch is not None and branch not in names:
            raise GFMError(f"the network has no branch {branch!r}: choose {', '.join(names)}")
        if max_size is not None and max_size < 1:
            raise GFMError(f"max_size={max_size}: set at least 1 pixel, or None for no limit")
        check_foreground_method(foreground)
        self.device = torch.device(device)
        fold_batchnorm(model.eval())
        if prefers_channels_last(self.device.type, is_half=precision in _DTYPES):
            model.use_channels_last()
        self.model = model.to(self.device)
        self.inferer = inferer
        self.precision = precision
        self.branch = branch
        self.max_size = max_size
        self.foreground: ForegroundMethod = foreground

    @overload
    def __call__(self, image: Picture) -> Picture: ...
    @overload
    def __call__(self, image: Sequence[Picture]) -> list[Picture]: ...
    def __call__(self, image: Any) -> Any:
        """Return the matte at the size of the picture: mode L for Pillow, else float32 in [0, 1].

        Raises:
            GFMError: A picture has an unsupported shape, type or range.
        """
        if _is_list(image):
            return [self(one) for one in image]
        return convert_like(image, self.predict(image).alpha)

    @overload
    def cutout(self, image: Picture) -> Picture: ...
    @overload
    def cutout(self, image: Sequence[Picture]) -> list[Picture]: ...
    def cutout(self, image: Any) -> Any:
        """Return an RGBA cut-out with the foreground's estimated colours.

        At soft edges the picture's colours would include the background.

        Raises:
            GFMError: A picture has an unsupported shape, type or range.
        """
        if _is_list(image):
            return [self.cutout(one) for one in image]
        batch = to_batch(image).to(self.device)
        alpha = self.predict(batch).alpha
        colours = estimate_foreground(batch, alpha, self.foreground)
        return convert_like(image, torch.cat([colours, alpha], dim=1))

    @torch.no_grad()
    def predict(self, image: Any) -> Prediction:
        """Return alpha, glance, focus and the alphas of all branches, on the network's device.

        Args:
            image: A picture, or several of the same size; see
                :func:`gfm.inference.pictures.to_batch`.

        Raises:
            GFMError: The picture has an unsupported shape, type or range, or the network overflows
                in float16.
        """
        batch = to_batch(image).to(self.device)
        prediction = Shrinking(self._infer, self.max_size)(self.model, batch)
        if self.precision == "16" and prediction.alpha.isnan().any():
            raise GFMError("the network overflows in float16: choose precision bf16 or 32")
        return prediction._replace(alpha=prediction.alpha.float().clamp(0, 1))

    def _infer(self, model: GFM, image: Tensor) -> Prediction:
        with self._set_precision():
            prediction = self.inferer(model, image)
        if self.branch is not None:
            prediction = prediction._replace(alpha=prediction.alphas[self.branch])
        return prediction

    @contextmanager
    def _set_precision(self) -> Iterator[None]:
        """Set autocast and TF32 as evaluations in this precision do; only ``32`` forbids TF32."""
        dtype = _DTYPES.get(self.precision)
        before = torch.backends.cudnn.allow_tf32, torch.get_float32_matmul_precision()
        allow_tf32(dtype is not None)
        try:
            # Disabled for 32, because the caller may have enabled it for a training of their own.
            with torch.autocast(self.device.type, dtype, enabled=dtype is not None):
                yield
        finally:  # the settings are global, and the process may also train
            torch.backends.cudnn.allow_tf32 = before[0]
            torch.set_float32_matmul_precision(before[1])


@contextmanager
def explain_lack_of_memory(device: torch.device, height: int, width: int) -> Iterator[None]:
    """Turn an out-of-memory error into one that names the picture's size and the option to lower.

    Raises:
        GFMError: Memory ran out within the context.
    """
    try:
        yield
    except Exception as error:
        if not lacks_memory(error):
            raise
        other = "" if device.type == "cpu" else ", or use --device cpu"
        raise GFMError(
            f"{device} has too little free memory for {height}×{width} pixels: lower "
            f"--max-size{other}"
        ) from error


def _is_list(image: Any) -> bool:
    # A file name is a sequence too, but not of pictures.
    return isinstance(image, Sequence) and not isinstance(image, str | bytes)
