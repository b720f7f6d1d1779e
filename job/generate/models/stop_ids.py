"""Which tokens end a text."""

from collections.abc import Iterable
from pathlib import Path

from job.command import print_notice
from job.errors import ModelError
from job.generate.models.checkpoint import CONFIG, GENERATION_CONFIG, read_json_file


def read_eos_token_id(model: str, folder: Path) -> object:
    """The eos_token_id that transformers takes from a folder: of generation_config.json, or without that file
    of config.json. Raises ModelError if it is not JSON.
    """
    name = GENERATION_CONFIG if (folder / GENERATION_CONFIG).is_file() else CONFIG
    return read_json_file(model, folder, name).get("eos_token_id")


def select_stop_ids(
    model: str, eos_token_ids: Iterable[object], vocabulary_size: int | None
) -> tuple[int, ...]:
    """The tokens that end a text: those of the first eos_token_id that the network has any of.

    Configurations write one as a number, as a list of them or as null. What is outside the vocabulary is
    said and left out. Raises ModelError if it is something else.
    """
    for eos_token_id in eos_token_ids:
        ids = eos_token_id if isinstance(eos_token_id, list) else [eos_token_id]
        inside = []
        for token in ids:
            if token is None:
                continue
            if type(token) is not int:
                raise ModelError(
                    f"model {model!r}: its eos_token_id is {eos_token_id!r}, not a token's number"
                )
            if token < 0 or (vocabulary_size and token >= vocabulary_size):
                print_notice(
                    f"model {model}: its end-of-text token {token} is outside its {vocabulary_size} tokens "
                    "and ends no text"
                )
            else:
                inside.append(token)
        if inside:
            return tuple(inside)
    return ()
