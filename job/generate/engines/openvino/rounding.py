"""Weights in fewer bits."""

import numpy as np
from numpy.typing import NDArray

_STEP = 1 << 18  # numbers; what is computed on the way fits a core's own cache


def round_to_bfloat16(numbers: NDArray[np.float32]) -> NDArray[np.uint16]:
    """The nearest numbers of 16 bits, of two the even one; NaN stays NaN."""
    bits = np.ascontiguousarray(numbers).view(np.uint32).reshape(-1)
    rounded = np.empty(bits.shape, np.uint16)
    for start in range(0, len(bits), _STEP):
        part = bits[start : start + _STEP]
        out = rounded[start : start + _STEP]
        out[:] = (part + (np.uint32(0x7FFF) + (part >> 16 & 1))) >> 16
        out[part << 1 > 0xFF000000] = 0x7FC0
    return rounded.reshape(numbers.shape)


def quantize(weight: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """A weight [out, in] as whole numbers from -127 to 127, and the scale of each output: [out, 1].

    An output with a number that is not finite gets a scale that is not, either.
    """
    largest = np.maximum(weight.max(axis=1, keepdims=True), -weight.min(axis=1, keepdims=True))
    scales = largest / np.float32(127)
    whole = np.empty(weight.shape, np.int8)
    rows = max(1, _STEP // weight.shape[1])
    with np.errstate(invalid="ignore"):
        for start in range(0, len(weight), rows):
            part = scales[start : start + rows]
            whole[start : start + rows] = np.rint(weight[start : start + rows] / np.where(part == 0, 1, part))
    return whole, scales
