"""Errors of torch and transformers, which raise what they like, as one line."""

from job.errors import ModelError, TextgenError

_REASON_LENGTH = 300  # characters


OUT_OF_MEMORY = "out of memory; lower max_length or max_new_tokens"  # for one row


def is_out_of_memory(error: Exception) -> bool:
    """Whether a device has no memory left: CUDA has a class for it, the CPU's allocator only words."""
    import torch

    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "DefaultCPUAllocator" in str(error)


def first_line(error: Exception) -> str:
    """What the error says, on one line; its class, if it says nothing."""
    lines = [line for line in map(str.strip, str(error).splitlines()) if line]
    return lines[0][:_REASON_LENGTH] if lines else type(error).__name__


def generation_error(error: Exception, model: str, device: object, batch_size: int) -> TextgenError:
    """The error of a batch of `batch_size` rows that could not be computed."""
    if is_out_of_memory(error):
        problem = "out of memory; lower batch_size" if batch_size > 1 else OUT_OF_MEMORY
        return TextgenError(f"{device}: {problem}")
    if "deterministic" in str(error):
        return TextgenError(f"deterministic: model {model!r} can't have it on {device}: {first_line(error)}")
    hint = "; try another --dtype" if "dtype" in str(error) else ""
    return TextgenError(
        f"model {model!r}: its network failed: {type(error).__name__}: {first_line(error)}{hint}"
    )


def loading_error(error: Exception, model: str, device: object) -> TextgenError:
    """The error of a network that could not be loaded."""
    if is_out_of_memory(error):
        other = "--dtype bfloat16"
        if str(device).startswith("cuda"):
            other += ", several GPUs (--engine vllm --tensor-parallel-size N)"
        return TextgenError(f"{device}: out of memory for model {model}; use {other}, or a smaller model")
    if is_custom_code(error):
        return ModelError(
            f"model {model!r}: it is code of its own (auto_map in config.json), which is never run; "
            "use a model that transformers knows"
        )
    if "Weights only load failed" in str(error):
        return ModelError(
            f"model {model!r}: its pickled weights hold more than tensors, and code in them is never run; "
            "use one with safetensors"
        )
    return ModelError(f"model {model!r}: can't be loaded: {first_line(error)}")


def is_custom_code(error: Exception) -> bool:
    """Whether transformers would have to run code from the model's folder, which textgen never allows."""
    return "trust_remote_code" in str(error)
