"""A file is read without torch and transformers."""

import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.generate.models.gguf.writer import write_gguf

READ = """
import sys
sys.modules["torch"] = sys.modules["transformers"] = None
from pathlib import Path
from job.generate.models.gguf.checkpoint import open_checkpoint
checkpoint = open_checkpoint(Path(sys.argv[1]))
weights = dict(checkpoint.load_weights())
print(checkpoint.config["model_type"], len(weights), checkpoint.vocabulary.tokenizer.encode("a b").tokens)
"""


def test_a_file_is_read_where_neither_can_be_imported(small_llama: Any, tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "x.gguf", small_llama)
    words = [sys.executable, "-c", READ, str(path)]
    read = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (read.stdout, read.stderr) == ("llama 30 ['a', 'Ġ', 'b']\n", "")
