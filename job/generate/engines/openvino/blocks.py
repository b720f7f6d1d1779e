"""The cache's blocks: who has which. A block may have several owners, which only read it then."""

from collections.abc import Iterable


class BlockPool:
    """`size` blocks, each free or owned."""

    def __init__(self, size: int) -> None:
        self.size = size
        # The lowest numbers are taken first: memory that no block needed yet is not touched.
        self._free = list(range(size - 1, -1, -1))
        self._owners = [0] * size

    @property
    def free(self) -> int:
        return len(self._free)

    def take(self) -> int:
        """A free block, which has one owner then. Raises IndexError if there is none."""
        block = self._free.pop()
        self._owners[block] = 1
        return block

    def share(self, blocks: Iterable[int]) -> None:
        """Count one more owner of each block."""
        for block in blocks:
            self._owners[block] += 1

    def release(self, blocks: Iterable[int]) -> None:
        """Count one owner of each block less; a block without one is free."""
        for block in blocks:
            self._owners[block] -= 1
            if not self._owners[block]:
                self._free.append(block)
