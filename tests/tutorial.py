"""The tutorial: its workflow file, or one of the same form, and a script that does what its script does."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.workflow_files import CORPUS, WORKFLOWS

_ORIGINAL = CORPUS / "gradient-ai__NLP-Text-Generation__nlp-text-generation.yaml"
FILE = _ORIGINAL if _ORIGINAL.is_file() else WORKFLOWS / "text_generation.yaml"
SCRIPT = """\
from transformers import pipeline, set_seed

generator = pipeline('text-generation', model='gpt2')
set_seed(42)
texts = generator("Hello, I'm a language model,", max_length=40, num_return_sequences=2)
with open('output.txt', 'w') as file:
    for number, text in enumerate(texts, 1):
        print(f'---\\nOutput {number} of 2\\n---\\n', file=file)
        print(text['generated_text'], file=file)
"""


def hub(folder: Path) -> Mapping[str, str]:
    """The environment in which `gpt2` is a tiny model with the same random weights each time."""
    environment = {"OMP_NUM_THREADS": "1", "HF_HOME": str(folder), "HF_HUB_OFFLINE": "1", "PIP_NO_INDEX": "1"}
    subprocess.run(
        [sys.executable, Path(__file__).with_name("random_gpt2.py"), folder],
        env={**os.environ, **environment},
        check=True,
        capture_output=True,
    )
    return environment
