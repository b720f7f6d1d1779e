"""A decoder as a graph of OpenVINO's operations, over the tokens of many sequences one behind the other.

In shapes, T is the number of tokens of a step, S of the places whose next token is wanted, V the size
of the vocabulary, D of a head, R of its rotary part.
"""

import numpy as np
import openvino as ov
from openvino import opset13 as op

from job.generate.engines.openvino.architecture import Architecture
from job.generate.engines.openvino.dtypes import BFLOAT16, FLOAT32
from job.generate.engines.openvino.paged_attention import PagedAttention, make_parameter
from job.generate.engines.openvino.parameters import Linear, Parameters, Tensor
from job.generate.engines.openvino.precision import Constants, cache_type
from job.generate.engines.openvino.rope import Rope

OUTPUTS = ("values", "indices", "logits", "sums")


def build_graph(
    architecture: Architecture,
    tensors: dict[str, Tensor],
    place: str,
    constants: Constants,
    *,
    positions: int,
    top: int,
) -> ov.Model:
    """The graph of a network, made of the `tensors`, which are taken out; `constants` have to outlive it.

    Inputs: input_ids [T], position_ids [T], last [S] (places in T), and those of PagedAttention.
    Outputs (OUTPUTS): the `top` largest logits [S, top], their tokens [S, top], all [S, V], their sums [S].
    positions: the length of the longest sequence in tokens. `place` is what errors name.
    Raises ModelError if the tensors do not fit the architecture, UnsupportedError if one is not known.
    """
    parameters = Parameters(architecture, tensors, place, bfloat16=constants.dtype == BFLOAT16)
    return _Builder(architecture, parameters, constants, positions).build(top)


class _Builder:
    def __init__(
        self, architecture: Architecture, parameters: Parameters, constants: Constants, positions: int
    ) -> None:
        self.architecture, self.parameters, self.positions = architecture, parameters, positions
        self.constants = constants
        self.family = architecture.family
        self.input_ids = make_parameter("input_ids", ov.Type.i32, [-1])
        self.position_ids = make_parameter("position_ids", ov.Type.i32, [-1])
        self.last = make_parameter("last", ov.Type.i32, [-1])
        self.attention = PagedAttention(
            architecture.heads, architecture.kv_heads, architecture.head_size, cache_type(constants.dtype)
        )
        self.rotations: dict[Rope, tuple[ov.Node, ov.Node]] = {}

    def build(self, top: int) -> ov.Model:
        a = self.architecture
        embedding = self.parameters.embedding()
        table = self.constants.weight(embedding)
        x = op.gather(table, self.input_ids, op.constant(0))  # [T, hidden]
        if self.family.scaled_embedding:
            x = op.multiply(x, op.constant(np.float32(a.hidden_size**0.5)))
        if self.family.learned_positions:
            positions = op.constant(self.parameters.positions(), shared_memory=True)
            x = op.add(x, op.gather(positions, self.position_ids, op.constant(0)))
        for layer in range(len(a.layers)):
            x = self._layer(x, layer)
        x = op.gather(x, self.last, op.constant(0))  # [S, hidden]: only these go through the head
        x = self._norm(x, "norm")
        head = self.parameters.head(embedding)
        self.parameters.refuse_unread()
        weight = table if head is embedding else self.constants.weight(head)
        logits = op.matmul(x, weight, False, True)  # [S, V]
        if a.softcap:
            cap = op.constant(np.float32(a.softcap))
            logits = op.multiply(op.tanh(op.divide(logits, cap)), cap)
        largest = op.topk(
            logits,
            op.constant(np.int32(min(top, a.vocab_size))),
            -1,
            "max",
            "value",
            index_element_type="i32",
        )
        sums = op.reduce_sum(logits, op.constant(np.array([-1])), False)  # not finite if one of them is not
        outputs = [largest.output(0), largest.output(1), logits.output(0), sums.output(0)]
        for name, output in zip(OUTPUTS, outputs, strict=True):
            output.get_tensor().set_names({name})
        inputs = [self.input_ids, self.position_ids, self.last, *self.attention.parameters]
        return ov.Model([op.result(output) for output in outputs], inputs, "decoder")

    def _layer(self, x: ov.Node, layer: int) -> ov.Node:
        attended = self._attention(self._norm(x, "attention_norm", layer), layer)
        if self.family.post_norms:
            attended = self._norm(attended, "attention_post_norm", layer)
        if self.architecture.parallel:
            return op.add(op.add(x, attended), self._mlp(self._norm(x, "mlp_norm", layer), layer))
        x = op.add(x, attended)
        out = self._mlp(self._norm(x, "mlp_norm", layer), layer)
        return op.add(x, self._norm(out, "mlp_post_norm", layer) if self.family.post_norms else out)

    def _attention(self, x: ov.Node, layer: int) -> ov.Node:
        a = self.architecture
        query, key, value = (self._linear(x, linear) for linear in self.parameters.qkv(layer))
        rope = a.layers[layer].rope
        query = self._heads(query, "q_norm", layer, a.heads, rope)
        key = self._heads(key, "k_norm", layer, a.kv_heads, rope)
        attended = self.attention.attend(query, key, value, a.scale, a.layers[layer].window)
        return self._linear(attended, self.parameters.o(layer))

    def _heads(self, x: ov.Node, norm: str, layer: int, heads: int, rope: Rope | None) -> ov.Node:
        """Queries or keys, normalized and rotated head by head: [T, heads * D]."""
        if rope is None and not self.family.qk_norm:
            return x
        size = self.architecture.head_size
        x = op.reshape(x, [-1, heads, 1, size], special_zero=False)
        if self.family.qk_norm:
            x = self._norm(x, norm, layer, size)
        if rope is not None:
            x = self._rotate(x, rope)
        return op.reshape(x, [-1, heads * size], special_zero=False)

    def _rotate(self, x: ov.Node, rope: Rope) -> ov.Node:
        """x: [T, heads, 1, D], whose first R dimensions are turned, the first half against the second."""
        if rope not in self.rotations:
            self.rotations[rope] = tuple(
                op.reshape(
                    op.gather(op.constant(table), self.position_ids, op.constant(0)),
                    [-1, 1, 1, table.shape[1]],
                    special_zero=False,
                )
                for table in rope.table(self.positions)
            )
        cosine, sine = self.rotations[rope]  # [T, 1, 1, R]
        rotated, size = 2 * len(rope.frequencies), self.architecture.head_size
        rest = None
        if rotated < size:
            rest = _slice(x, rotated, size)
            x = _slice(x, 0, rotated)
        first, second = _slice(x, 0, rotated // 2), _slice(x, rotated // 2, rotated)
        half = op.concat([op.multiply(second, op.constant(np.float32(-1))), first], -1)
        x = op.add(op.multiply(x, cosine), op.multiply(half, sine))
        return x if rest is None else op.concat([x, rest], -1)

    def _mlp(self, x: ov.Node, layer: int) -> ov.Node:
        made = [self._linear(x, linear) for linear in self.parameters.gate(layer)]
        out = self._activate(made[0])
        if self.family.gated:
            out = op.multiply(out, made[1])
        return self._linear(out, self.parameters.down(layer))

    def _activate(self, x: ov.Node) -> ov.Node:
        match self.architecture.activation:
            case "silu" | "swish":
                return op.swish(x)
            case "relu":
                return op.relu(x)
            case "gelu":
                return op.gelu(x, "erf")
            case _:
                return op.gelu(x, "tanh")

    def _linear(self, x: ov.Node, linear: Linear) -> ov.Node:
        weight, transposed = linear.weight, linear.transposed
        if transposed and self.constants.dtype != FLOAT32:  # OpenVINO would transpose it in float32
            weight, transposed = np.ascontiguousarray(weight.T), False
        out = op.matmul(x, self.constants.weight(weight), False, not transposed)
        return out if linear.bias is None else op.add(out, op.constant(linear.bias))

    def _norm(self, x: ov.Node, part: str, layer: int = 0, size: int | None = None) -> ov.Node:
        weight, bias = self.parameters.norm(part, layer, size)
        axes, eps = op.constant(np.array([-1])), self.architecture.eps
        if bias is not None:
            x = op.mvn(x, axes, True, eps, "inside_sqrt")
            return op.add(op.multiply(x, op.constant(weight)), op.constant(bias))
        mean = op.reduce_mean(op.power(x, op.constant(np.float32(2))), axes, True)
        root = op.sqrt(op.add(mean, op.constant(np.float32(eps))))
        return op.multiply(op.multiply(x, op.divide(op.constant(np.float32(1)), root)), op.constant(weight))


def _slice(x: ov.Node, start: int, stop: int) -> ov.Node:
    start_, stop_, step, axis = (op.constant(np.array([n])) for n in (start, stop, 1, 3))
    return op.slice(x, start_, stop_, step, axis)
