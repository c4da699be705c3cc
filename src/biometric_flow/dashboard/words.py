"""Every text a person reads goes through `_`, so that catalogues can come later without touching the pages."""


def _(text: str, **values: object) -> str:
    """The text in the reader's language, with its named `{places}` filled. Never join two results into a sentence."""
    return text.format(**values) if values else text


def counted(count: int, one: str, many: str) -> str:
    """`one` or `many` with `{n}` filled, such as "1 person", "1,204 people"."""
    return (one if count == 1 else many).format(n=number(count))


def number(value: float) -> str:
    """A count as people read it: grouped digits, no fraction."""
    return f"{round(value):,}"
