"""Faults are ordered by name, strike who the seed picks, and do the same in every run."""

import pytest

from archiver.sandbox.faults.orders import parse_order
from archiver.sandbox.faults.table import FAULTS
from tests.unit.sandbox.visitor import Visitor, visit


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("htlm", ["'htlm'", "did you mean 'html'"]),
        ("html:shar=1", ["html", "'shar'", "did you mean 'share'"]),
        ("html:share=much", ["share", "a number"]),
        ("html:share=1.5", ["share", "0 to 1"]),
        ("html:times=-1", ["times", "0 or more"]),
        ("html:typed=yes", ["typed", "true or false"]),
        ("html:share", ["share=value"]),
        ("html:on=media+pages", ["on", "'pages'", "list"]),
        ("html:provider=acme", ["provider", "vobiz"]),
        ("cut:framing=none", ["framing", "chunked"]),
        ("xyzzy", ["'xyzzy'", "there are", "html"]),
    ],
)
def test_a_bad_order_is_named_with_the_nearest(text: str, words: list[str]) -> None:
    """An order that cannot be read says which part of it, and what would do."""
    with pytest.raises(ValueError, match=r".") as caught:
        parse_order(text)
    assert [word for word in words if word not in str(caught.value)] == []


@pytest.mark.parametrize("fault", FAULTS.values(), ids=lambda fault: fault.name)
def test_every_fault_can_be_ordered_as_it_is_described(fault: object) -> None:
    """An order that writes every default out is the one that writes nothing."""
    name = getattr(fault, "name", "")
    plain = parse_order(name)
    settings = ",".join(f"{parameter.name}={parameter.written}" for parameter in plain.fault.all_parameters)
    assert parse_order(f"{name}:{settings}").values == plain.values
    assert "(" in plain.fault.help
    assert plain.fault.help.endswith(").")


async def struck(visitor: Visitor, passes: int) -> list[list[bool]]:
    """Whether each recording was served whole, in each of so many passes over all."""
    rows = await visitor.rows()
    for _ in range(passes):
        for row in rows:
            await visitor.audio(row)
    entries = [visitor.ledger["recordings"][row["recording_id"]] for row in rows]
    return [[served["complete"] for served in entry["served"]] for entry in entries]


async def test_the_same_seed_strikes_the_same_recordings() -> None:
    """Two sandboxes of one seed do the same to the same requests; another seed picks others."""
    seen = []
    for seed in (3, 3, 4):
        async with visit(seed=seed, faults=("html:share=0.3", "noise:share=0.3,times=2")) as visitor:
            seen.append((await struck(visitor, 3), visitor.ledger["faults"]))
    assert seen[0] == seen[1] != seen[2]
    assert {True, False} == {whole for passes in seen[0][0] for whole in passes}


async def test_the_order_of_requests_decides_nothing() -> None:
    """Whoever asks for the recordings the other way round meets the same faults."""
    seen = []
    for is_reversed in (False, True):
        async with visit(faults=("html:share=0.3",)) as visitor:
            rows = await visitor.rows()
            for row in reversed(rows) if is_reversed else rows:
                await visitor.audio(row)
            seen.append({name for name, entry in visitor.ledger["recordings"].items() if entry["faults"]})
    assert seen[0] == seen[1]
    assert 5 < len(seen[0]) < 35


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ("times=1", [False, True, True, True]),
        ("times=2", [False, False, True, True]),
        ("times=0", [False, False, False, False]),
        ("times=0,after=1", [True, False, False, False]),
        ("times=0,after=1,first=2", [True, False, True, True]),
        ("times=0,provider=vobiz", [False, False, False, False]),
        ("times=0,provider=kazoo", [True, True, True, True]),
        ("share=0", [True, True, True, True]),
    ],
)
async def test_counts_are_kept_for_each_recording(settings: str, expected: list[bool]) -> None:
    """times, first and after count the requests for one recording, whatever happens to the others."""
    async with visit(recordings=3, faults=(f"html:share=1,{settings}",)) as visitor:
        assert await struck(visitor, 4) == [expected] * 3


async def test_orders_wait_for_each_other() -> None:
    """Of several faults of the content one strikes at a time, in the order in which they were given."""
    async with visit(recordings=1, faults=("html:share=1", "wav44:share=1")) as visitor:
        row = (await visitor.rows())[0]
        bodies = [(await visitor.audio(row)).body[:4] for _ in range(3)]
    assert bodies[:2] == [b"<!DO", b"RIFF"]
    assert bodies[2] not in bodies[:1]


async def test_control_adds_and_ends_faults(visitor: Visitor) -> None:
    """Faults begin and end while the sandbox runs; an order that cannot be read changes nothing."""
    row = (await visitor.rows())[0]
    assert (await visitor.control({"faults": ["html:share=1,times=0"]})).status == 200
    assert (await visitor.audio(row)).body[:1] == b"<"
    bad = await visitor.control({"clear_faults": True, "faults": ["htlm"]})
    assert (bad.status, "html" in bad.document["error"]) == (400, True)
    assert (await visitor.audio(row)).body[:1] == b"<"
    await visitor.control({"clear_faults": True})
    assert (await visitor.audio(row)).body[:1] != b"<"
    assert visitor.ledger["faults"] == {"html": 2}
