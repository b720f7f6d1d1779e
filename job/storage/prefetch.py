"""Reading one large object over several connections at once, in order."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor


def read_ahead(
    part: Callable[[int, int], bytes], start: int, end: int, size: int, parallel: int
) -> Iterator[bytes]:
    """The bytes from `start` to `end`, in parts of `size`, `parallel` of which are on their way.

    `part` gives the bytes from its first to before its second argument.
    """
    begins = iter(range(start, end, size))
    coming: deque[Future[bytes]] = deque()
    pool = ThreadPoolExecutor(parallel)
    try:
        while True:
            while len(coming) < parallel and (begin := next(begins, None)) is not None:
                coming.append(pool.submit(part, begin, min(begin + size, end)))
            if not coming:
                return
            yield coming.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
