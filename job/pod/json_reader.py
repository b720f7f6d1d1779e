"""JSON read key by key, each value of the type that is expected: an error says where and what."""

from dataclasses import dataclass
from typing import Any, NoReturn

from job.errors import InputError

COMPILE_AGAIN = "compile the workflow again with `textgen compile`"


@dataclass(frozen=True, slots=True)
class JsonReader:
    """A part of a document. `path` says where it stands, for messages.

    Every method but `has` raises InputError if the value is of another type.
    """

    value: Any
    path: str

    def has(self, key: str) -> bool:
        """Whether this is an object with the key."""
        return isinstance(self.value, dict) and key in self.value

    def get(self, key: str) -> "JsonReader":
        """The value of a key of an object; null if there is no key or no object."""
        value = None if self.value is None else self._as(dict, "an object").get(key)
        return JsonReader(value, f"{self.path}: {key}")

    def items(self) -> list[tuple[str, "JsonReader"]]:
        """The keys and values of an object; none of null."""
        return [] if self.value is None else [(key, self.get(key)) for key in self._as(dict, "an object")]

    def elements(self) -> list["JsonReader"]:
        """The elements of an array; none of null."""
        values = [] if self.value is None else self._as(list, "an array")
        return [JsonReader(value, f"{self.path}: {number}") for number, value in enumerate(values, 1)]

    def string(self) -> str:
        return str(self._as(str, "a string"))

    def optional_string(self) -> str | None:
        """The string; None of null."""
        return None if self.value is None else self.string()

    def boolean(self) -> bool:
        return bool(self._as(bool, "true or false"))

    def integer(self) -> int:
        number = self._as(int, "an integer")
        return self.refuse("an integer") if isinstance(number, bool) else int(number)

    def refuse(self, expected: str) -> NoReturn:
        """Raise InputError: this is not what is expected here."""
        raise InputError(f"{self.path}: must be {expected}; {COMPILE_AGAIN}")

    def _as(self, kind: type, expected: str) -> Any:
        return self.value if isinstance(self.value, kind) else self.refuse(expected)
