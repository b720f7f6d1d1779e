"""The openvino engine: decoders of known families on a CPU, each text the same to the bit in any company."""

from functools import cached_property

from job.command import print_notice
from job.errors import UnsupportedError
from job.generate.engines.engine import Engine, Generate
from job.generate.engines.openvino.architecture import read_architecture
from job.generate.engines.openvino.dtypes import BFLOAT16, DTYPES, FLOAT32, check_dtype, list_dtypes
from job.generate.engines.openvino.model_files import open_model
from job.generate.models.find import ModelFiles
from job.generate.models.stop_ids import read_eos_token_id, select_stop_ids
from job.generate.models.tokenizer import Tokenizer
from job.generate.models.tokenizer_files import build_tokenizer, read_tokenizer
from job.generate.settings import Settings
from job.text import listed

_SLOTS = 64


class OpenvinoEngine(Engine):
    """A model of a family that is built from OpenVINO's operations."""

    name = "openvino"
    libraries = ("openvino", "tokenizers", "numpy")
    device = "cpu"

    def __init__(self, files: ModelFiles, settings: Settings) -> None:
        if settings.device not in ("auto", "cpu"):
            raise UnsupportedError(
                f"device {settings.device}: the openvino engine runs on the CPU; "
                "set device to auto, or engine to transformers"
            )
        self.dtype = FLOAT32 if settings.dtype == "auto" else settings.dtype
        if self.dtype not in DTYPES:
            raise UnsupportedError(f"dtype {self.dtype}: the openvino engine has {listed(DTYPES)}")
        check_dtype(self.dtype)
        if files.adapter:
            raise UnsupportedError(f"model {files.name!r}: the openvino engine takes no adapters")
        self.files, self._settings = files, settings
        self._model = open_model(files.path)
        config = self._model.config
        architecture = read_architecture(config)
        self._eos_token_id = (
            config.raw("eos_token_id") if files.is_gguf else read_eos_token_id(files.name, files.path)
        )
        self.slots = settings.batch_size or _SLOTS
        self.context_length = architecture.context_length
        self.vocabulary_size = architecture.vocab_size

    @cached_property
    def tokenizer(self) -> Tokenizer:
        if self._model.checkpoint:
            return build_tokenizer(self._model.checkpoint.vocabulary)
        return read_tokenizer(self.files.name, self.files.path)

    @cached_property
    def stop_ids(self) -> tuple[int, ...]:
        """The tokens that end a text."""
        ends = (self._eos_token_id, self.tokenizer.eos_id)
        return select_stop_ids(self.files.name, ends, self.vocabulary_size)

    def load(self, longest: int) -> Generate:
        from job.generate.engines.openvino.generator import Generator  # imports openvino

        if self._settings.dtype == "auto" and BFLOAT16 in list_dtypes():
            print_notice("--dtype bfloat16 is about twice as fast on this processor, with other texts")
        generator = Generator(
            self._model,
            self._settings,
            self.stop_ids,
            slots=self.slots,
            context_length=longest,
            dtype=self.dtype,
        )
        return generator.generate
