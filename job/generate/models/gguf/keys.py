"""A file's keys as they are read: what nobody has read at the end is refused by its name."""

from typing import Any, TypeVar

from job.errors import ModelError

T = TypeVar("T", int, float, str, bool, list[Any])

_WORDS = {int: "a whole number", float: "a number", str: "a text", bool: "true or false", list: "a list"}


class Keys:
    """The keys of a file, or those below one name, without it."""

    def __init__(self, values: dict[str, Any], prefix: str = "", unread: set[str] | None = None) -> None:
        self.values, self.prefix = values, prefix
        self.unread = set(values) if unread is None else unread

    def below(self, name: str) -> "Keys":
        """The keys that begin with `name`."""
        return Keys(self.values, f"{self.prefix}{name}.", self.unread)

    def get(self, key: str, kind: type[T]) -> T | None:
        """The key's value, or None if the file does not have it. Raises ModelError for another type."""
        name = self.prefix + key
        if name not in self.values:
            return None
        self.unread.discard(name)
        value = self.values[name]
        if kind is float and type(value) is int:
            value = float(value)
        if type(value) is not kind:
            raise ModelError(f"the key {name} is {str(value)[:100]!r}, not {_WORDS[kind]}")
        return value

    def require(self, key: str, kind: type[T]) -> T:
        """The key's value. Raises ModelError if the file does not have it."""
        value = self.get(key, kind)
        if value is None:
            raise ModelError(f"the key {self.prefix}{key} is missing")
        return value

    def get_equal(self, key: str) -> int | None:
        """A number that may be given for each layer, if it is the same for all. Raises ModelError."""
        if isinstance(layers := self.values.get(self.prefix + key), list):
            self.unread.discard(self.prefix + key)
            if len(set(layers)) != 1 or not isinstance(layers[0], int):
                raise ModelError(f"the key {self.prefix}{key} is not one whole number for all layers")
            return int(layers[0])
        return self.get(key, int)

    def require_equal(self, key: str) -> int:
        """As get_equal. Raises ModelError if the file does not have the key, too."""
        value = self.get_equal(key)
        if value is None:
            raise ModelError(f"the key {self.prefix}{key} is missing")
        return value

    def expect(self, key: str, *allowed: object) -> None:
        """Raise ModelError if the file has the key with another value."""
        name = self.prefix + key
        if name in self.values and self.values[name] not in allowed:
            raise ModelError(f"the key {name} is {str(self.values[name])[:100]}, which is not read")
        self.unread.discard(name)

    def ignore(self, *starts: str) -> None:
        """Count the keys that begin so as read."""
        self.unread.difference_update(
            [name for name in self.unread if name.startswith(tuple(self.prefix + start for start in starts))]
        )
