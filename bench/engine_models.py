"""The models of bench/engine.py, and the environment of the engines that are not textgen's.

The embedded model, and a GPT-2 of random weights; as safetensors, and as each peer wants them. Nothing
ends a text.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1] / ".bench"
MODELS = ("smollm2", "gpt2")
PEERS = FOLDER / "peers" / "bin" / "python"
# optimum-intel makes GenAI's models; torch is the project's, so that it is there already.
_PACKAGES = (
    "openvino-genai==2026.4.1.0",
    "optimum-intel==2.2.0",
    "torch==2.13.0",
    "llama-cpp-python==0.3.36",
)
_TOKENIZER = "PreTrainedTokenizerFast"  # takes tokenizer.json as it is


def make_models() -> None:
    """Write the models that are missing."""
    import torch
    from transformers import GenerationConfig, GPT2Config, GPT2LMHeadModel, LlamaForCausalLM

    from job.generate.models.find import find_model
    from job.generate.models.gguf.checkpoint import open_checkpoint
    from job.generate.models.load import load_model

    if all((FOLDER / name / "model.safetensors").is_file() for name in MODELS):
        return
    embedded = find_model("smollm2-135m")
    loaded = load_model(embedded, "cpu", "float32")
    llama = LlamaForCausalLM(
        loaded.network.config
    )  # transformers saves no model that it read from a GGUF file
    llama.load_state_dict(loaded.network.state_dict())
    torch.manual_seed(0)
    networks: dict[str, Any] = {"smollm2": llama, "gpt2": GPT2LMHeadModel(GPT2Config())}
    for name, network in networks.items():
        network.config.eos_token_id = network.config.bos_token_id = None
        network.generation_config = GenerationConfig()
        network.save_pretrained(FOLDER / name)
        open_checkpoint(embedded.path).vocabulary.tokenizer.save(str(FOLDER / name / "tokenizer.json"))
        (FOLDER / name / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": _TOKENIZER}))


def make_peers() -> None:
    """Set up the environment of OpenVINO GenAI and llama.cpp, which takes ten minutes, and their models."""
    make_models()
    if not PEERS.is_file():
        uv = shutil.which("uv") or str(FOLDER.parent / ".uv" / "bin" / "uv")
        subprocess.run([uv, "venv", "--python", sys.executable, str(PEERS.parents[1])], check=True)
        install = [uv, "pip", "install", "--python", str(PEERS), *_PACKAGES]
        subprocess.run(install, check=True)
    for name in MODELS:
        for suffix, format_ in (("ir", "fp32"), ("ir-int8", "int8")):
            if not (FOLDER / f"{name}-{suffix}" / "openvino_model.bin").is_file():
                export = [str(PEERS.with_name("optimum-cli")), "export", "openvino"]
                options = ["--task", "text-generation-with-past", "--weight-format", format_]
                model = ["--model", str(FOLDER / name), str(FOLDER / f"{name}-{suffix}")]
                subprocess.run([*export, *options, *model], check=True)
    if not (path := FOLDER / "smollm2-bfloat16.gguf").is_file():
        _write_gguf(path)


def _write_gguf(path: Path) -> None:
    """The embedded model's file with its weights in bfloat16."""
    import gguf

    from job.generate.models.find import find_model

    reader = gguf.GGUFReader(find_model("smollm2-135m").path)
    writer = gguf.GGUFWriter(path, "llama")
    for name, field in reader.fields.items():
        if not name.startswith("GGUF.") and name != "general.architecture":
            kinds = field.types
            writer.add_key_value(name, field.contents(), kinds[0], kinds[-1] if len(kinds) > 1 else None)
    for tensor in reader.tensors:
        numbers = gguf.dequantize(tensor.data, tensor.tensor_type)
        type_ = gguf.GGMLQuantizationType.BF16 if numbers.ndim > 1 else gguf.GGMLQuantizationType.F32
        writer.add_tensor(tensor.name, gguf.quantize(numbers, type_), raw_dtype=type_)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
