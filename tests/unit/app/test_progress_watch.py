"""When a display is live, when it is lines, and when it is silent."""

import asyncio
import io

import pytest
from rich.console import Console, RenderableType
from rich.text import Text

from archiver.app.cli.progress.watch import watched


class Screen(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


class Counting:
    """A board that counts how often it was looked at."""

    def __init__(self, *, has_begun: bool = True, is_broken: bool = False) -> None:
        self.begun, self.is_broken = has_begun, is_broken
        self.looks, self.drawn = 0, asyncio.Event()

    def has_begun(self) -> bool:
        return self.begun

    def frame(self, elapsed_s: float, width: int, height: int) -> RenderableType:
        self.drawn.set()
        if self.is_broken:
            raise RuntimeError("a bug")
        return Text(f"{width} by {height}", style="red")

    def report(self, elapsed_s: float) -> list[str]:
        self.looks += 1
        if self.is_broken:
            raise RuntimeError("a bug")
        return [f"line {self.looks} [bold]"]


def screen(**environ: str) -> Console:
    """A terminal of 80 by 24."""
    return Console(file=Screen(), width=80, height=24, _environ={"TERM": "xterm"} | environ)


def page(console: Console) -> str:
    """What was written."""
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def plain() -> Console:
    """A stream that is no terminal."""
    return Console(file=io.StringIO(), _environ={})


async def test_a_terminal_gets_a_live_display() -> None:
    """The display owns the terminal before logging is sent above it, and removes itself at the end."""
    console, one, calls = screen(), Counting(), list[str]()
    async with watched(one, lambda: calls.append("live"), console=console):
        await one.drawn.wait()
    assert calls == ["live"]
    assert "80 by 22" in page(console)
    assert page(console).endswith("\x1b[1A\x1b[2K")
    assert one.looks == 0


async def test_no_color_is_respected() -> None:
    """NO_COLOR takes the colours, not the display."""
    for environ, has_color in (({}, True), ({"NO_COLOR": "1"}, False)):
        console, one = screen(**environ), Counting()
        async with watched(one, lambda: None, console=console):
            await one.drawn.wait()
        assert ("\x1b[31m" in page(console)) == has_color
        assert "80 by 22" in page(console)


async def test_a_dumb_terminal_gets_plain_lines() -> None:
    """Where the cursor cannot be moved, lines are written as into a file."""
    console = screen(TERM="dumb")
    async with watched(Counting(), lambda: pytest.fail("nothing is live"), console=console):
        await asyncio.sleep(0)
    assert page(console) == "line 1 [bold]\nline 2 [bold]\n"


async def test_a_broken_display_leaves_the_work_alone() -> None:
    """A mistake in the display never reaches what it shows, live or in lines."""
    one, other = Counting(is_broken=True), Counting(is_broken=True)
    async with watched(one, console=screen()), watched(other, console=plain()):
        await one.drawn.wait()
    assert other.looks == 2


async def test_a_short_run_has_a_first_and_a_last_line() -> None:
    """Elsewhere a line comes with the first page, and one at the end."""
    console = plain()
    async with watched(Counting(), lambda: pytest.fail("nothing is live"), every_s=1000, console=console):
        await asyncio.sleep(0)
    assert page(console) == "line 1 [bold]\nline 2 [bold]\n"


@pytest.mark.parametrize(("has_begun", "is_quiet"), [(True, True), (False, False)])
async def test_a_run_may_say_nothing(has_begun: bool, is_quiet: bool) -> None:
    """Beside JSON nothing is said within the first interval, and without a page there is nothing to say."""
    console = plain()
    board = Counting(has_begun=has_begun)
    async with watched(board, lambda: None, is_quiet=is_quiet, every_s=1000, console=console):
        await asyncio.sleep(0)
    assert page(console) == ""


async def test_a_long_run_has_a_line_each_interval() -> None:
    """A quiet display speaks once its interval is over, and then it also says the last word."""
    console, one = plain(), Counting(has_begun=False)
    async with watched(one, lambda: None, is_quiet=True, every_s=0, console=console):
        for _ in range(10):
            await asyncio.sleep(0)
        before = one.looks
    assert before >= 3
    assert one.looks == before + 1
    assert page(console).count("\n") == one.looks
