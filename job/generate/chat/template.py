"""A model's chat template: messages in, the text that the model continues out."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from types import TracebackType
from typing import Any

from job.errors import ModelError, PromptError
from job.text import one_line, shortened

_RENDERER = "job.generate.chat.renderer"  # in a process of its own: this one needs no jinja2
SECONDS = 10  # for a row

_VARIABLES = ("PATH", "LD_LIBRARY_PATH", "PYTHONHOME", "TZ")  # of the environment


class ChatTemplate:
    """A template in a process of its own, which has few seconds for a row, and not all of the memory.

    source: of the template, in jinja2; special_tokens: the model's, by the names that templates know
    (bos_token, eos_token, ...); now: what a template takes for the present, so that a run that goes on
    tomorrow has the same texts. Raises ModelError if the template is none.
    """

    def __init__(self, model: str, source: str, special_tokens: Mapping[str, str], now: datetime) -> None:
        self._model, self._process = model, _start_process()
        answer = self._ask(
            {
                "source": source,
                "special_tokens": dict(special_tokens),
                "now": now.isoformat(),
                "seconds": SECONDS,
            }
        )
        if "error" in answer:
            self.close()
            raise ModelError(f"model {model!r}: its chat template can't be read: {_shorten(answer['error'])}")

    def render(self, messages: Sequence[Mapping[str, Any]]) -> str:
        """The messages as one text, up to where the answer begins.

        The template writes the beginning of a text itself: its tokens need no other.
        Raises PromptError if the template refuses the messages.
        """
        answer = self._ask(list(messages))
        if "error" in answer:
            raise PromptError(
                f"the chat template of {self._model!r} refuses the messages: {_shorten(answer['error'])}"
            )
        return answer["text"]

    def _ask(self, request: object) -> dict[str, str]:
        assert self._process.stdin and self._process.stdout  # noqa: S101  # both are pipes
        line = ""
        with suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        if line.endswith("\n"):
            answer: dict[str, str] = json.loads(line)
            return answer
        self.close()
        status = self._process.returncode
        raise ModelError(
            f"model {self._model!r}: its chat template "
            + (
                f"took more than {SECONDS} seconds for a row"
                if status == -signal.SIGALRM
                else f"ended its process, status {status}"
            )
        )

    def close(self) -> None:
        """End the process."""
        for pipe in (self._process.stdin, self._process.stdout):
            with suppress(BrokenPipeError):
                pipe.close()  # type: ignore[union-attr]  # both are pipes
        try:
            self._process.wait(timeout=1)
        except subprocess.TimeoutExpired:  # it renders
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> "ChatTemplate":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _start_process() -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-P", "-m", _RENDERER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        encoding="utf-8",
        env=_environment(),
    )


def _environment() -> dict[str, str]:
    """What Python needs to start, and no token that a template could look for."""
    environment = {name: os.environ[name] for name in _VARIABLES if name in os.environ}
    return {**environment, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


def _shorten(error: str) -> str:
    return one_line(shortened(error, 200))
