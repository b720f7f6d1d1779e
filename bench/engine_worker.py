"""One engine with one model, which runs the cases that stdin names, one a line: bench/engine.py starts it.

    python bench/engine_worker.py ENGINE MODEL DTYPE

A case is {"prompts": [[token, ...], ...], "sequences": N, "new_tokens": N}: so long are all texts, as nothing
ends one. An engine imports what it needs when it is loaded: a peer has an environment of its own.
"""

import json
import os
import resource
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any

THREADS = len(os.sched_getaffinity(0))
TOP_K = 50

# It takes prompts, the number of texts for each, and of new tokens in a text; it returns how many it made.
Run = Callable[[Sequence[Sequence[int]], int, int], int]


def load_textgen(engine: str, model: str, dtype: str) -> Run:
    """An engine of textgen, with as many slots as it finds best."""
    from job.generate.engines.choose import open_engine
    from job.generate.engines.engine import Row
    from job.generate.prompts.prompt import Prompt
    from job.generate.settings import Settings

    opened = open_engine(Settings(model=model, engine=engine, device="cpu", dtype=dtype, top_k=TOP_K))
    generate = opened.load(min(7000, opened.context_length or 7000))

    def run(prompts: Sequence[Sequence[int]], sequences: int, new_tokens: int) -> int:
        rows = (
            Row(Prompt(str(number), str(number)), tuple(token_ids), sequence, new_tokens)
            for number, token_ids in enumerate(prompts)
            for sequence in range(1, sequences + 1)
        )
        return sum(len(completion.token_ids) for _, completion in generate(rows))

    return run


def load_generate(model: str, dtype: str) -> Run:
    """transformers' generate() with its own sampling, all texts in one batch."""
    import torch
    from transformers import AutoModelForCausalLM, GenerationConfig

    network: Any = AutoModelForCausalLM.from_pretrained(model, dtype=getattr(torch, dtype)).eval()
    network.generation_config = GenerationConfig()

    def run(prompts: Sequence[Sequence[int]], sequences: int, new_tokens: int) -> int:
        length = max(map(len, prompts))
        config = GenerationConfig(
            do_sample=True,
            top_k=TOP_K,
            max_new_tokens=new_tokens,
            num_return_sequences=sequences,
            pad_token_id=0,
        )
        with torch.inference_mode():
            output = network.generate(
                torch.tensor([[0] * (length - len(ids)) + list(ids) for ids in prompts]),
                attention_mask=torch.tensor([[0] * (length - len(ids)) + [1] * len(ids) for ids in prompts]),
                generation_config=config,
            )
        return int(output[:, length:].numel())

    return run


def load_genai(model: str, dtype: str) -> Run:
    """OpenVINO GenAI's continuous batching."""
    import numpy as np
    import openvino as ov
    import openvino_genai as genai

    scheduler = genai.SchedulerConfig()
    scheduler.cache_size = 2  # GB
    scheduler.max_num_batched_tokens = 512
    scheduler.max_num_seqs = 256
    precision = {"float32": "f32", "bfloat16": "bf16", "int8": "f32"}[dtype]
    properties = {
        "INFERENCE_PRECISION_HINT": precision,
        "KV_CACHE_PRECISION": precision,
        "DYNAMIC_QUANTIZATION_GROUP_SIZE": "32" if dtype == "int8" else "0",
        "INFERENCE_NUM_THREADS": str(THREADS),
    }
    folder = f"{model}-ir-int8" if dtype == "int8" else f"{model}-ir"
    pipeline = genai.ContinuousBatchingPipeline(folder, scheduler, "CPU", properties)

    def run(prompts: Sequence[Sequence[int]], sequences: int, new_tokens: int) -> int:
        config = genai.GenerationConfig()
        config.do_sample, config.top_k, config.ignore_eos = True, TOP_K, True
        config.set_eos_token_id(0)  # it wants one
        config.max_new_tokens, config.num_return_sequences = new_tokens, sequences
        tensors = [ov.Tensor(np.array([token_ids], np.int64)) for token_ids in prompts]
        results = pipeline.generate(tensors, [config] * len(tensors))
        return sum(len(token_ids) for result in results for token_ids in result.m_generation_ids)

    return run


def load_llama(model: str, dtype: str) -> Run:
    """llama.cpp, all texts in one batch; the prompt of several texts is read once."""
    import ctypes

    import llama_cpp as llama

    llama.llama_log_set(_be_silent := llama.llama_log_callback(lambda *_: None), ctypes.c_void_p(0))
    llama.llama_backend_init()
    path = f"{model}-{dtype}.gguf".encode()
    loaded = llama.llama_model_load_from_file(path, llama.llama_model_default_params())
    vocabulary = llama.llama_model_get_vocab(loaded)
    vocabulary_size = llama.llama_vocab_n_tokens(vocabulary)
    options = llama.llama_context_default_params()
    options.n_ctx, options.n_batch, options.n_ubatch, options.n_seq_max = 16384, 2048, 512, 256
    options.n_threads = options.n_threads_batch = THREADS
    options.kv_unified = True
    context = llama.llama_init_from_model(loaded, options)
    memory = llama.llama_get_memory(context)
    sampler = llama.llama_sampler_chain_init(llama.llama_sampler_chain_default_params())
    llama.llama_sampler_chain_add(sampler, llama.llama_sampler_init_top_k(TOP_K))
    llama.llama_sampler_chain_add(sampler, llama.llama_sampler_init_dist(1))
    batch = llama.llama_batch_init(2048, 0, 1)

    def decode(tokens: Sequence[tuple[int, int, int, bool]]) -> list[int]:
        """Read (token, position, sequence, whether what follows is wanted); the next tokens drawn."""
        drawn = []
        for start in range(0, len(tokens), 2048):
            part = tokens[start : start + 2048]
            batch.n_tokens = len(part)
            for place, (token, position, sequence, is_wanted) in enumerate(part):
                batch.token[place], batch.pos[place], batch.logits[place] = token, position, is_wanted
                batch.n_seq_id[place], batch.seq_id[place][0] = 1, sequence
            assert llama.llama_decode(context, batch) == 0, "llama.cpp has no room for the batch"
            drawn += [
                llama.llama_sampler_sample(sampler, context, place)
                for place, token in enumerate(part)
                if token[3]
            ]
        return drawn

    def run(prompts: Sequence[Sequence[int]], sequences: int, new_tokens: int) -> int:
        llama.llama_memory_clear(memory, False)
        read = [
            (token, position, number * sequences, position == len(ids) - 1)
            for number, ids in enumerate(prompts)
            for position, token in enumerate(ids)
        ]
        first = decode(read)
        for number in range(len(prompts)):
            for copy in range(1, sequences):
                llama.llama_memory_seq_cp(memory, number * sequences, number * sequences + copy, -1, -1)
        latest = [token for token in first for _ in range(sequences)]
        lengths = [len(ids) for ids in prompts for _ in range(sequences)]
        for step in range(new_tokens - 1):
            latest = decode(
                [
                    (token % vocabulary_size, length + step, sequence, True)
                    for sequence, (token, length) in enumerate(zip(latest, lengths, strict=True))
                ]
            )
        return len(latest) * new_tokens

    run.kept = _be_silent  # type: ignore[attr-defined]
    return run


def main(engine: str, model: str, dtype: str) -> None:
    """Load the engine, and answer each case with its speed."""
    warnings.simplefilter("ignore")
    loaders: dict[str, Callable[[str, str], Run]] = {
        "one batch": load_generate,
        "GenAI": load_genai,
        "llama.cpp": load_llama,
    }
    run = loaders[engine](model, dtype) if engine in loaders else load_textgen(engine, model, dtype)
    print("loaded", flush=True)
    for line in sys.stdin:
        case = json.loads(line)
        cpu, start = time.process_time(), time.perf_counter()
        tokens = run(case["prompts"], case["sequences"], case["new_tokens"])
        seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024  # MiB
        answer = {"tokens": tokens, "seconds": seconds, "cpu_seconds": cpu_seconds, "peak_mib": peak}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    sys.path.pop(0)  # this folder
    main(*sys.argv[1:])
    os._exit(0)  # some libraries take seconds to put away what they hold, or crash
