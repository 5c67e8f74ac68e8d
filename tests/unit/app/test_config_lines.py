"""Where keys stand in a file."""

import pytest

from archiver.app.config.lines import key_lines, line_of

TEXT = '''# first = 1
top = 1
[storage]  # [not.this]
url = "a # b [c] = d"
s3 = { region = "x", tags = { a = "1", b = [{ c = 1 }, 2] }, profile = "p" }
list = [
  "one",  # two = 2
  ["three", { deep = 1 }],
]
text = """
sidecar = 1
"""
sidecar = true
[accounts."Odd Name".include]
"from number" = ['x']
dotted.'key' = 1.5
[[again]]
since = 2024-01-01T00:00:00Z
last = 1'''


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("top",), 2),
        (("storage",), 3),
        (("storage", "url"), 4),
        (("storage", "s3", "tags", "a"), 5),
        (("storage", "s3", "tags", "b", 0, "c"), 5),
        (("storage", "s3", "profile"), 5),
        (("storage", "list", 1), 6),
        (("storage", "sidecar"), 13),
        (("accounts",), 14),
        (("accounts", "Odd Name", "include", "from number"), 15),
        (("accounts", "Odd Name", "include", "dotted", "key"), 16),
        (("again", "since"), 18),
        (("again", "last"), 19),
        (("storage", "missing"), 3),
        (("accounts", "Odd Name", "missing", "deeper"), 14),
        (("nowhere",), 0),
        (("deep",), 0),
        ((), 0),
    ],
)
def test_line_of(path: tuple[str | int, ...], line: int) -> None:
    """A key has the line it is written on; one that is missing has that of the nearest table around it."""
    assert line_of(key_lines(TEXT), path) == line
