"""Convolutional networks for rows that are images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Integral
from typing import Any, ClassVar

import torch
from sklearn.base import BaseEstimator
from torch import Tensor, nn

from skaae._compat import Interval
from skaae.networks._mlp import MLP, check_layer_sizes


def _image_shape(
    image_shape: Sequence[int] | None, n_columns: int, *, exact: bool = True
) -> tuple[int, int, int]:
    """Return (height, width, channels); None is a square grey or colour image.

    Unless `exact`, rows may have further columns past those of the image.
    """
    if image_shape is None:
        for channels in (1, 3):
            side = math.isqrt(n_columns // channels)
            if side * side * channels == n_columns:
                return side, side, channels
        raise ValueError(
            f"image_shape=None: expected rows that are square grey or colour images, got "
            f"{n_columns} columns. Pass image_shape=(height, width) or (height, width, channels)."
        )
    shape = check_layer_sizes(image_shape, "image_shape")
    shape = (*shape, 1) if len(shape) == 2 else shape
    n_pixels = math.prod(shape)
    if len(shape) != 3 or n_pixels > n_columns or (exact and n_pixels != n_columns):
        raise _misfit(tuple(image_shape), n_columns)
    return shape


def _misfit(shape: tuple[int, ...], n_columns: int) -> ValueError:
    return ValueError(
        f"image_shape: expected (height, width) or (height, width, channels) with a product of "
        f"{n_columns}, the number of columns, got {shape}."
    )


class _ToImage(nn.Module):
    def __init__(self, height: int, width: int, channels: int) -> None:
        super().__init__()
        self.shape = (height, width, channels)

    def forward(self, x: Tensor) -> Tensor:
        return x.reshape(x.shape[0], *self.shape).permute(0, 3, 1, 2)


class _RandomShift(nn.Module):
    """Move each image by a random number of pixels in training; its edge fills what comes free."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        n, _, height, width = x.shape
        drawn = torch.randint(-self.most, self.most + 1, (2, n, 1), device=x.device)
        down = (torch.arange(height, device=x.device) + drawn[0]).clamp(0, height - 1)
        right = (torch.arange(width, device=x.device) + drawn[1]).clamp(0, width - 1)
        image = torch.arange(n, device=x.device)[:, None, None]
        # Channels stay last in memory, as rows have them: convolutions are a third quicker.
        moved = x.permute(0, 2, 3, 1)[image, down[:, :, None], right[:, None, :]]
        return moved.permute(0, 3, 1, 2)

    def extra_repr(self) -> str:
        # A fit that goes on from another compares networks by what they print.
        return f"most={self.most}"


class JoinedEncoder(nn.Module):
    """An image through convolutions, further columns past it around them, both to a head."""

    def __init__(self, trunk: nn.Module, shape: tuple[int, int, int], head: nn.Module) -> None:
        super().__init__()
        self.trunk, self.head = trunk, head
        self.shape, self.n_pixels = shape, math.prod(shape)

    def check_columns(self, n_columns: int) -> None:
        """Raise ValueError where rows of `n_columns`, without noise, are not of the image alone.

        Whoever builds a network knows of inputs only, and takes what is left of them for noise.
        """
        if self.n_pixels != n_columns:
            raise _misfit(self.shape, n_columns)

    def forward(self, x: Tensor) -> Tensor:
        features = self.trunk(x[:, : self.n_pixels])
        outputs: Tensor = self.head(torch.cat([features, x[:, self.n_pixels :]], dim=1))
        return outputs


class _Crop(nn.Module):
    """Cut an image to its size and flatten it, channels last as NumPy images are."""

    def __init__(self, height: int, width: int) -> None:
        super().__init__()
        self.height, self.width = height, width

    def forward(self, x: Tensor) -> Tensor:
        cut = x[:, :, : self.height, : self.width]
        return cut.permute(0, 2, 3, 1).flatten(1)


def _halved(size: int, n_times: int) -> int:
    for _ in range(n_times):
        size = (size + 1) // 2
    return size


_CONSTRAINTS: dict[str, list[Any]] = {
    "image_shape": ["array-like", None],
    "channels": ["array-like"],
}


class ConvolutionalEncoder(BaseEstimator):
    """Strided convolutions, then dense layers; rows are images flattened as NumPy does.

    Columns past those of `image_shape` join behind the convolutions: the noise of a universal
    posterior, which an estimator adds to rows that the shape fits.

    Parameters
    ----------
    image_shape : tuple (height, width) or (height, width, channels), default=None
        None takes rows for square images, grey or colour; with a universal posterior, whose noise
        adds columns, say it.
    channels : sequence of int, default=(32, 64, 128)
        Channels after each convolution; each halves height and width.
    hidden_layer_sizes : sequence of int, default=(256,)
        Units of dense layers behind the convolutions.
    batch_norm : bool, default=False
        Whether channels and units are normalised over the batch before their activation. An
        encoder that infers labels needs it.
    max_shift : int, default=0
        In training, images are moved by up to so many pixels at random, up or down and left or
        right, on their way into the encoder, and their edge fills what comes free; the decoder
        answers them unmoved. Where such a move changes no label, few labels go further; 2 suits
        digits of 28 x 28 pixels.

    Raises
    ------
    ValueError
        At ``fit``, if the shape does not fit the number of columns.

    References
    ----------
    A. Radford, L. Metz, S. Chintala, *Unsupervised Representation Learning with Deep
    Convolutional Generative Adversarial Networks*, 2016.
    P. Simard, D. Steinkraus, J. Platt, *Best Practices for Convolutional Neural Networks Applied to
    Visual Document Analysis*, 2003 (moved images).

    Examples
    --------
    >>> import torch
    >>> from skaae.networks import ConvolutionalEncoder
    >>> ConvolutionalEncoder((8, 8, 3))(192, 2)(torch.zeros(5, 192)).shape
    torch.Size([5, 2])
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **_CONSTRAINTS,
        "hidden_layer_sizes": ["array-like"],
        "batch_norm": ["boolean"],
        "max_shift": [Interval(Integral, 0, None, closed="left")],
    }

    def __init__(
        self,
        image_shape: Sequence[int] | None = None,
        *,
        channels: Sequence[int] = (32, 64, 128),
        hidden_layer_sizes: Sequence[int] = (256,),
        batch_norm: bool = False,
        max_shift: int = 0,
    ) -> None:
        self.image_shape = image_shape
        self.channels = channels
        self.hidden_layer_sizes = hidden_layer_sizes
        self.batch_norm = batch_norm
        self.max_shift = max_shift

    @property
    def draws_at_random(self) -> bool:
        """Whether its networks draw at random in training."""
        return self.max_shift > 0

    def __call__(self, n_inputs: int, n_outputs: int) -> nn.Module:
        """Return a new network from `n_inputs` columns of pixels to `n_outputs` columns."""
        self._validate_params()
        channels = check_layer_sizes(self.channels, "channels")
        shape = _image_shape(self.image_shape, n_inputs, exact=False)
        height, width, depth = shape
        layers: list[nn.Module] = [_ToImage(height, width, depth)]
        layers += [_RandomShift(self.max_shift)] if self.max_shift else []
        for size in channels:
            layers.append(nn.Conv2d(depth, size, 3, stride=2, padding=1))
            layers += [nn.BatchNorm2d(size)] if self.batch_norm else []
            layers.append(nn.ReLU())
            depth = size
        area = _halved(height, len(channels)) * _halved(width, len(channels))
        trunk = nn.Sequential(*layers, nn.Flatten())
        head = MLP(self.hidden_layer_sizes, linear_path=False, batch_norm=self.batch_norm)(
            depth * area + n_inputs - math.prod(shape), n_outputs
        )
        return JoinedEncoder(trunk, shape, head)


class ConvolutionalDecoder(BaseEstimator):
    """A linear layer, then transposed convolutions, the mirror of the encoder's.

    Parameters
    ----------
    image_shape : tuple (height, width) or (height, width, channels), default=None
        None takes rows for square images, grey or colour.
    channels : sequence of int, default=(32, 64, 128)
        As for the encoder; used from last to first.

    Raises
    ------
    ValueError
        At ``fit``, if the shape does not fit the number of columns.

    References
    ----------
    A. Radford, L. Metz, S. Chintala, *Unsupervised Representation Learning with Deep
    Convolutional Generative Adversarial Networks*, 2016.

    Examples
    --------
    >>> import torch
    >>> from skaae.networks import ConvolutionalDecoder
    >>> ConvolutionalDecoder((8, 8, 3))(2, 192)(torch.zeros(5, 2)).shape
    torch.Size([5, 192])
    """

    draws_at_random = False
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = _CONSTRAINTS

    def __init__(
        self, image_shape: Sequence[int] | None = None, *, channels: Sequence[int] = (32, 64, 128)
    ) -> None:
        self.image_shape = image_shape
        self.channels = channels

    def __call__(self, n_inputs: int, n_outputs: int) -> nn.Module:
        """Return a new network from `n_inputs` columns to `n_outputs` columns of pixels."""
        self._validate_params()
        channels = check_layer_sizes(self.channels, "channels")
        height, width, depth = _image_shape(self.image_shape, n_outputs)
        rows, columns = _halved(height, len(channels)), _halved(width, len(channels))
        first = channels[-1] if channels else depth
        layers: list[nn.Module] = [
            nn.Linear(n_inputs, first * rows * columns),
            nn.Unflatten(1, (first, rows, columns)),
        ]
        for source, target in zip(channels[::-1], (*channels[-2::-1], depth)):
            layers += [nn.ReLU(), nn.ConvTranspose2d(source, target, 4, stride=2, padding=1)]
        layers.append(_Crop(height, width))
        return nn.Sequential(*layers)
