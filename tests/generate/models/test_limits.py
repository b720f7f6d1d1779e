"""What a network can take, by whatever name its configuration has for it."""

import pytest

from job.generate.models.limits import read_context_length, read_padded_length

pytestmark = pytest.mark.model


@pytest.mark.parametrize(
    ("model_type", "values", "length"),
    [
        ("gpt2", {"n_positions": 77}, 77),
        ("llama", {"max_position_embeddings": 77}, 77),
        ("mpt", {"max_seq_len": 77}, 77),
        ("whisper", {"max_target_positions": 77}, 77),
        ("rwkv", {"context_length": 77}, 77),
        ("gemma3", {"text_config": {"max_position_embeddings": 77}}, 77),
        ("bart", {"max_position_embeddings": 77}, 77),
        ("xlnet", {}, None),
        ("bloom", {}, None),
        ("mamba", {}, None),
    ],
)
def test_the_longest_text_is_read_by_every_name(
    model_type: str, values: dict[str, object], length: int | None
) -> None:
    from transformers import AutoConfig

    assert read_context_length(AutoConfig.for_model(model_type, **values)) == length


def test_beside_others_a_text_ends_where_the_network_takes_other_frequencies() -> None:
    from transformers import AutoConfig

    factors = [1.0] * 8
    rope = {"rope_type": "longrope", "short_factor": factors, "long_factor": factors}
    sizes = {"hidden_size": 64, "num_attention_heads": 4, "max_position_embeddings": 77}
    config = AutoConfig.for_model("phi3", rope_parameters=rope, original_max_position_embeddings=16, **sizes)
    assert (read_context_length(config), read_padded_length(config)) == (77, 16)
    assert read_padded_length(AutoConfig.for_model("phi3", **sizes)) == 77
    assert read_padded_length(AutoConfig.for_model("mamba")) is None
