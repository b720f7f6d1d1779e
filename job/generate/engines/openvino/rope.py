"""Rotary positions: the angle of each pair of dimensions at each position, with the scalings of transformers.

The formulas are those of transformers/modeling_rope_utils.py, in float32 as there.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from job.errors import ModelError, UnsupportedError
from job.generate.engines.openvino.config import Config

_F32 = np.float32
LONGROPE = ("longrope", "su", "yarn")  # its names in the configs of Phi-3


@dataclass(frozen=True, slots=True, eq=False)
class Rope:
    """frequencies: [R / 2], of the first R dimensions of a head; `factor` multiplies cosine and sine.

    Texts of more than `switch` tokens have the `long_frequencies`, if there are any.
    """

    frequencies: NDArray[np.float32]
    factor: float = 1.0
    long_frequencies: NDArray[np.float32] | None = None
    switch: int = 0

    def table(self, positions: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Cosine and sine at each position, and behind them those of long texts: [positions, R] each."""
        sets = (
            [self.frequencies] if self.long_frequencies is None else [self.frequencies, self.long_frequencies]
        )
        places = np.arange(positions, dtype=_F32)[:, None]
        angles = np.concatenate(
            [places * frequencies for frequencies in sets]
        )  # as in float32 by transformers
        angles = np.concatenate((angles, angles), axis=1).astype(np.float64)
        return tuple((f(angles) * self.factor).astype(_F32) for f in (np.cos, np.sin))


def read_rope(
    config: Config,
    parameters: Config,
    head_size: int,
    positions: int,
    theta: float,
    partial: float,
    switch: int = 0,
) -> Rope:
    """The rotary positions that `parameters` (rope_parameters or rope_scaling) ask for.

    theta, partial: used if `parameters` has none. switch: how long a text is at most that has the short
    factors of longrope; without it the factors have to be equal. Raises UnsupportedError for a kind that is
    not known.
    """
    legacy = parameters.string("type", "default")
    kind = parameters.string("rope_type", legacy)
    theta = parameters.number("rope_theta", theta)
    rotated = int(head_size * parameters.number("partial_rotary_factor", partial))
    if rotated < 2 or rotated % 2:
        raise UnsupportedError(f"{config.place}: {rotated} rotary dimensions are not built")
    exponents = np.arange(0, rotated, 2) / rotated
    frequencies = _F32(1) / np.power(theta, exponents).astype(_F32)  # [R / 2]
    if kind == "default":
        rope = Rope(frequencies)
    elif kind == "linear":
        rope = Rope(frequencies / _F32(parameters.number("factor")))
    elif kind == "llama3":
        rope = Rope(_llama3(parameters, frequencies, positions))
    elif kind == "yarn":
        rope = _yarn(parameters, frequencies, theta, rotated, positions)
    elif switch and kind in LONGROPE:
        parameters.raw("original_max_position_embeddings")
        rope = _longrope(parameters, frequencies, positions, switch)
    elif kind == "longrope" and parameters.raw("long_factor") == parameters.raw("short_factor"):
        original = parameters.integer("original_max_position_embeddings", positions)
        rope = replace(
            _longrope(parameters, frequencies, positions, original), long_frequencies=None, switch=0
        )
    else:
        raise UnsupportedError(f"{parameters.place}: rope_type {kind!r} is not built by the openvino engine")
    parameters.refuse_unread()
    return rope


def _llama3(parameters: Config, frequencies: NDArray[np.float32], positions: int) -> NDArray[np.float32]:
    factor = parameters.number("factor")
    low, high = parameters.number("low_freq_factor"), parameters.number("high_freq_factor")
    original = parameters.integer("original_max_position_embeddings", positions)
    wavelengths = _F32(2 * math.pi) / frequencies
    scaled = np.where(wavelengths > original / low, frequencies / _F32(factor), frequencies)
    smooth = (_F32(original) / wavelengths - _F32(low)) / _F32(high - low)
    smoothed = (1 - smooth) * scaled / _F32(factor) + smooth * scaled
    is_medium = (wavelengths >= original / high) & (wavelengths <= original / low)
    return np.where(is_medium, smoothed, scaled).astype(_F32)


def _longrope(parameters: Config, frequencies: NDArray[np.float32], positions: int, original: int) -> Rope:
    """Factors for texts of up to `original` tokens, and others for longer ones."""
    short, long = (np.array(parameters.numbers(f"{kind}_factor"), _F32) for kind in ("short", "long"))
    for factors in (short, long):
        if factors.shape != frequencies.shape:
            raise ModelError(f"{parameters.place}: {len(factors)} factors for {len(frequencies)} frequencies")
    factor = parameters.number("factor", positions / original)
    default = 1.0 if factor <= 1 else math.sqrt(1 + math.log(factor) / math.log(original))
    factor = parameters.number("attention_factor", default)
    return Rope(frequencies / short, factor, frequencies / long, original)


def _yarn(
    parameters: Config, frequencies: NDArray[np.float32], theta: float, rotated: int, positions: int
) -> Rope:
    original = parameters.integer("original_max_position_embeddings", positions)
    factor = parameters.number("factor")
    fast, slow = parameters.number("beta_fast", 32.0), parameters.number("beta_slow", 1.0)

    def dimension(rotations: float) -> float:
        return rotated * math.log(original / (rotations * 2 * math.pi)) / (2 * math.log(theta))

    low, high = dimension(fast), dimension(slow)
    if parameters.boolean("truncate", True):
        low, high = math.floor(low), math.ceil(high)
    low, high = max(low, 0), min(high, rotated - 1)
    ramp = (np.arange(rotated // 2, dtype=_F32) - _F32(low)) / _F32((high - low) or 0.001)
    extrapolated = 1 - np.clip(ramp, 0, 1)
    scaled = _F32(1) / (_F32(factor) * (_F32(1) / frequencies))
    frequencies = (scaled * (1 - extrapolated) + frequencies * extrapolated).astype(_F32)
    mscale, mscale_all = parameters.number("mscale", 0.0), parameters.number("mscale_all_dim", 0.0)
    if parameters.has("attention_factor"):
        return Rope(frequencies, parameters.number("attention_factor"))
    if mscale and mscale_all:
        return Rope(frequencies, _mscale(factor, mscale) / _mscale(factor, mscale_all))
    return Rope(frequencies, _mscale(factor, 1.0))


def _mscale(scale: float, mscale: float) -> float:
    return 1.0 if scale <= 1 else 0.1 * mscale * math.log(scale) + 1.0
