"""Which engine runs a model."""

import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

from job.command import print_notice
from job.errors import ModelError, SettingsError, UnsupportedError
from job.extras import install_command, is_installed
from job.generate.engines.echo import EchoEngine
from job.generate.engines.engine import Engine
from job.generate.models.find import ModelFiles, find_model
from job.generate.settings import TABLE, Settings
from job.generate.structure import describe_lack, find_structure

# Where the drivers of GPUs show themselves: NVIDIA's, and AMD's ROCm.
_GPUS = (Path("/dev/nvidiactl"), Path("/dev/kfd"))
_PACKAGES = {
    "openvino": ("openvino", "tokenizers"),
    "transformers": ("torch", "transformers"),
    "vllm": ("vllm",),
}
_OF_VLLM = ("tensor_parallel_size", "quantization")  # settings


def open_engine(settings: Settings, earlier: str | None = None) -> Engine:
    """The settings' model on its engine. `earlier` made the texts that are there: `auto` goes on with it.

    Raises ModelError if there is no such model, or if the engine is not installed or can't run it,
    SettingsError for a setting that it does not have.
    """
    engine = _open(settings, earlier)
    if not engine.takes_structure and (name := find_structure(settings)):
        raise SettingsError(describe_lack(name, engine.name))
    return engine


def _open(settings: Settings, earlier: str | None) -> Engine:
    known = earlier if earlier in ("echo", *_PACKAGES) else "auto"  # another one is told with the differences
    name = settings.engine if settings.engine != "auto" else known
    if name == "echo":
        return EchoEngine(ModelFiles("echo", "", Path()), settings)
    files = find_model(settings.model, settings.revision)
    return _choose(files, settings) if name == "auto" else _make(name, files, settings)


def _choose(files: ModelFiles, settings: Settings) -> Engine:
    if _takes_gpu(settings.device) or not is_installed(*_PACKAGES["openvino"]):
        return _make("transformers", files, settings)
    try:
        engine = _make("openvino", files, settings)
        engine.tokenizer  # noqa: B018 (it may be one that only transformers has)
    except UnsupportedError as error:
        if not is_installed(*_PACKAGES["transformers"]):
            raise ModelError(
                f"{error}; the engine transformers, which may run it, is not installed; "
                f"run: {install_command('job')}"
            ) from None
        print_notice(f"{error}; transformers runs it")
        return _make("transformers", files, settings)
    return engine


def _make(name: str, files: ModelFiles, settings: Settings) -> Engine:
    if not is_installed(*_PACKAGES[name]):
        # vLLM pins another torch than [job] has.
        command = "pip install 'argo-textgen[vllm]'" if name == "vllm" else install_command("job")
        raise ModelError(f"engine {name}: not installed; run: {command}")
    if name == "vllm":
        from job.generate.engines.vllm import VllmEngine

        return VllmEngine(files, settings)
    for setting in _OF_VLLM:
        if (value := getattr(settings, setting)) != TABLE[setting].default:
            raise SettingsError(f"{setting} {value}: the {name} engine has none; set engine to vllm")
    if name == "openvino":
        from job.generate.engines.openvino.engine import OpenvinoEngine

        return OpenvinoEngine(files, settings)
    if settings.engine == "transformers":
        _takes_gpu(settings.device)  # says if there is one that can't be used
    from job.generate.engines.devices import DevicesEngine
    from job.generate.engines.transformers import TransformersEngine
    from job.generate.models.load import list_devices

    engines = {
        device: partial(TransformersEngine, files, replace(settings, device=device))
        for device in list_devices(settings.device)
    }
    first = next(iter(engines.values()))()
    return first if len(engines) == 1 else DevicesEngine(first, engines)


def _takes_gpu(device: str) -> bool:
    """Whether a GPU is asked for, or is there. torch, which takes seconds to import, is asked last."""
    if device not in ("auto", "cpu") and not is_installed("torch"):
        raise ModelError(f"device {device}: torch is not installed; run: {install_command('job')}")
    if device != "auto":
        return device != "cpu"
    has_driver = any(path.exists() for path in _GPUS)
    if not (sys.platform == "darwin" or has_driver):
        return False
    if not is_installed("torch"):
        if has_driver:
            print_notice(
                "this machine has a GPU, which torch could use: it is not installed; "
                f"run: {install_command('job')}"
            )
        return False
    import torch

    if torch.cuda.is_available() or torch.mps.is_available():
        return True
    if has_driver:
        from job.generate.models.load import read_cuda_error

        print_notice(f"this machine has a GPU, which torch can't use: {read_cuda_error()}")
    return False
