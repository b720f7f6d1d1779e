"""The experimental operation has the inputs that this version of OpenVINO gives it."""

from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from job.generate.engines.openvino.paged_attention import PagedAttention, Piece, make_parameter
from tests.generate.engines.openvino.conftest import open_network

pytestmark = pytest.mark.model

HEADS, SIZE = 2, 16


def _openvinos_own() -> Any:
    """The operation as OpenVINO's own transformation makes it of attention with a growing state."""
    import openvino as ov
    from openvino import opset6
    from openvino import opset13 as op
    from openvino._offline_transformations import paged_attention_transformation
    from openvino.op.util import Variable, VariableInfo

    ids, positions, mask = (
        make_parameter(name, ov.Type.i64, [-1, -1])
        for name in ("input_ids", "position_ids", "attention_mask")
    )
    beams = make_parameter("beam_idx", ov.Type.i32, [-1])
    x = op.add(
        op.gather(op.constant(np.ones((10, HEADS * SIZE), np.float32)), ids, op.constant(0)),
        op.unsqueeze(op.convert(positions, ov.Type.f32), op.constant(2)),
    )
    sinks = []

    def split(x: Any) -> Any:
        x = op.matmul(x, op.constant(np.eye(HEADS * SIZE, dtype=np.float32)), False, True)
        return op.transpose(op.reshape(x, [0, 0, HEADS, SIZE], True), op.constant([0, 2, 1, 3]))

    def remember(x: Any, name: str) -> Any:
        info = VariableInfo()
        info.data_shape, info.data_type = ov.PartialShape([-1, HEADS, -1, SIZE]), ov.Type.f32
        info.variable_id = name
        batch = op.gather(op.shape_of(ids), op.constant([0]), op.constant(0))
        shape = op.concat([batch, *(op.constant(np.array([n])) for n in (HEADS, 0, SIZE))], 0)
        state = opset6.read_value(op.broadcast(op.constant(np.float32(0)), shape), variable := Variable(info))
        whole = op.concat([op.gather(state, beams, op.constant(0)), x], 2)
        sinks.append(opset6.assign(whole, variable))
        return whole

    query, key, value = split(x), remember(split(x), "key"), remember(split(x), "value")
    visible = op.convert(op.unsqueeze(mask, op.constant([1, 2])), ov.Type.boolean)
    attended = op.scaled_dot_product_attention(query, key, value, visible, causal=False)
    merged = op.reshape(op.transpose(attended, op.constant([0, 2, 1, 3])), [0, 0, HEADS * SIZE], True)
    model = ov.Model([op.result(merged)], sinks, [ids, positions, mask, beams])
    paged_attention_transformation(model)
    (node,) = (node for node in model.get_ops() if node.get_type_name() == "PagedAttentionExtension")
    return node


def _ours() -> Any:
    import openvino as ov

    query, key, value = (make_parameter(name, ov.Type.f32, [-1, HEADS * SIZE]) for name in ("q", "k", "v"))
    reshape = PagedAttention(HEADS, HEADS, SIZE, ov.Type.f32).attend(query, key, value, SIZE**-0.5, 0)
    return reshape.input_value(0).get_node()


def _describe(value: Any) -> str:
    node = value.get_node()
    if node.get_type_name() == "Constant":
        return f"{value.get_element_type()} {value.get_partial_shape()} {np.round(node.get_data(), 6)}"
    return f"{value.get_element_type()} of rank {value.get_partial_shape().rank}"


def test_its_inputs_are_those_of_openvinos_own_transformation() -> None:
    """After an update of OpenVINO, this says which input is off."""
    ours, expected = _ours(), _openvinos_own()
    described = [
        {index: _describe(value) for index, value in enumerate(node.input_values()) if index not in (3, 4)}
        for node in (ours, expected)
    ]
    assert described[0] == described[1]
    assert [ours.input_value(index).get_partial_shape().rank for index in (3, 4)] == [4, 4]  # the caches
    assert dict(ours.get_rt_info()).keys() == dict(expected.get_rt_info()).keys()


def test_openvino_is_the_version_that_the_project_pins() -> None:
    pins = (Path(__file__).parents[4] / "pyproject.toml").read_text()
    assert f'"openvino=={version("openvino")}"' in pins


@pytest.mark.parametrize("past", [0, 1, 31, 32, 40])
def test_a_token_gets_the_same_logits_with_any_company_and_threads(
    llama: Path, token_ids: list[int], past: int, dtype: str
) -> None:
    others = [[3, 4, 5], [6, 7, 8], [9, 10, 11]]
    piece = Piece(token_ids[past : past + 1], past, [0, 1, 2])
    seen = []
    for threads in (1, 2):
        network = open_network(llama, dtype, threads=threads)
        if past:
            for blocks in (piece.blocks, *others):
                network.step([Piece(token_ids[:past], 0, blocks)])
        company = [
            Piece(token_ids[past + n : past + n + 1], past, blocks) for n, blocks in enumerate(others, 1)
        ]
        seen += [
            network.step([piece]).full[0].copy(),
            network.step([*company, piece]).full[3].copy(),
            network.step([piece, Piece(token_ids, 0, [12, 13, 14])]).full[0].copy(),
        ]
    for logits in seen[1:]:
        np.testing.assert_array_equal(logits, seen[0])


def test_a_prompt_gets_the_same_logits_with_any_company(
    llama: Path, token_ids: list[int], dtype: str
) -> None:
    network = open_network(llama, dtype)
    others = [Piece(token_ids[:length], 0, [3 * n, 3 * n + 1]) for n, length in enumerate((1, 1, 3, 40), 1)]
    for length in (1, 2, 3, 4, 5, 6, 7, 8, 31, 32, 33, 64):
        piece = Piece(token_ids[:length], 0, [20, 21])
        expected = network.step([piece]).full[0].copy()
        for count in range(1, 5):
            logits = [
                network.step([piece, *others[:count]]).full[0].copy(),
                network.step([*others[:count], piece]).full[count].copy(),
            ]
            np.testing.assert_array_equal(logits, [expected] * 2)
