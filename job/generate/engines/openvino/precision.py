"""The precisions that a network is computed in: what OpenVINO is told, and how weights lie in memory.

float32: all numbers. bfloat16: all but the logits, whose sums are of 32 bits. int8: weights as whole
numbers with a scale for each output, the numbers that they are multiplied with in groups, each with a
scale of its own, at every step; all others in float32.
"""

from collections.abc import Mapping

import openvino as ov
from openvino import opset13 as op

from job.generate.engines.openvino.dtypes import BFLOAT16, FLOAT32, INT8
from job.generate.engines.openvino.parameters import Weight
from job.generate.engines.openvino.rounding import quantize

_GROUP = 32  # numbers of an activation that share a scale

_OPTIONS: Mapping[str, Mapping[str, str]] = {
    FLOAT32: {"INFERENCE_PRECISION_HINT": "f32", "DYNAMIC_QUANTIZATION_GROUP_SIZE": "0"},
    BFLOAT16: {"INFERENCE_PRECISION_HINT": "bf16", "DYNAMIC_QUANTIZATION_GROUP_SIZE": "0"},
    INT8: {"INFERENCE_PRECISION_HINT": "f32", "DYNAMIC_QUANTIZATION_GROUP_SIZE": str(_GROUP)},
}


def plugin_options(dtype: str) -> Mapping[str, str]:
    """OpenVINO's properties for a dtype."""
    # Without a precision for the cache OpenVINO takes 8 bits.
    return {**_OPTIONS[dtype], "KV_CACHE_PRECISION": "bf16" if dtype == BFLOAT16 else "f32"}


def cache_type(dtype: str) -> ov.Type:
    """The type of the keys and values that attention keeps."""
    return ov.Type.bf16 if dtype == BFLOAT16 else ov.Type.f32


class Constants:
    """A graph's weights in memory, in `dtype`; it has to outlive the graph."""

    def __init__(self, dtype: str) -> None:
        self.dtype = dtype
        self._arrays: list[Weight] = []

    def weight(self, numbers: Weight) -> ov.Node:
        """The numbers as a node in float32. They are in bfloat16 if that is the dtype, else in float32."""
        if self.dtype == BFLOAT16:
            self._arrays.append(numbers)  # unlike one over an array of numpy's own types, it keeps no memory
            tensor = ov.Tensor(numbers, ov.Shape(numbers.shape), ov.Type.bf16)
            node = op.convert(op.constant(tensor, shared_memory=True), ov.Type.f32)
            node.get_rt_info()["decompression_0"] = ""  # else it becomes a constant in float32
            return node
        if self.dtype == INT8:
            whole, scales = quantize(numbers)
            node = op.convert(op.constant(whole, shared_memory=True), ov.Type.f32)
            return op.multiply(node, op.constant(scales))
        return op.constant(numbers, shared_memory=True)
