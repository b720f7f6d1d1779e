"""Pages of a list that is longer than one of them."""


def count_pages(entries: int, size: int) -> int:
    """How many pages of `size` entries there are: one, if there is no entry."""
    return max(1, -(-entries // size))


def find_page(number: int | None, entries: int, size: int) -> int:
    """The page that is nearest to the one that was asked for, from 1; the first, if none was."""
    return max(1, min(number or 1, count_pages(entries, size)))
