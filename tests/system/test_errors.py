"""What a provider can send, and what a person then reads: the thing, the cause and the fix, in one table.

What a person can do wrong is the table of ``test_mistakes``; the lines of configuration errors are those of
``tests/unit/app/test_config_errors``.
"""

from pathlib import Path

import pytest

from tests.system.stage import ACCOUNT, staged

FEW = ("--recordings", "6", "--page-cap", "3", "--audio-seconds", "1", "--late-arrivals", "0")
EVER = "share=1,times=0"

LISTING = [
    pytest.param(f"status:on=list,code=400,{EVER}", 1, ["answered 400", "check base_url and auth_id"], id="400"),
    pytest.param(f"status:on=list,code=402,{EVER}", 2, ["answered 402", "check the account's credentials"], id="402"),
    pytest.param(f"status:on=list,code=403,{EVER}", 2, ["answered 403", "check the account's credentials"], id="403"),
    pytest.param(f"unauthorized:on=list,{EVER}", 2, ["answered 401", "check the account's credentials"], id="401"),
    pytest.param(f"status:on=list,code=404,{EVER}", 1, ["answered 404", "check base_url and auth_id"], id="404"),
    pytest.param(f"status:on=list,code=500,{EVER}", 3, ["answered 500", "tried again by itself"], id="500"),
    pytest.param(f"throttled:on=list,{EVER}", 3, ["answered 429", "lower the account's rate_limit"], id="429"),
    pytest.param(f"no_answer:on=list,{EVER}", 3, ["connection broke", "check base_url, the network"], id="reset"),
    pytest.param(f"html:on=list,{EVER}", 1, ["is no JSON", "send these words to the provider"], id="html"),
    pytest.param("strange_envelope:", 1, ["an unknown shape", "send these words"], id="envelope"),
    pytest.param("loop:", 1, ["names itself as the next one", "send these words"], id="loop"),
    pytest.param("wrong_total:", 1, ["claims 11 recordings and shows 6", "run again"], id="total"),
    pytest.param("ignored_offset:", 1, ["repeats itself", "send these words"], id="offset"),
    pytest.param("malformed_row:share=0.5,times=0", 1, ["malformed", "quarantine"], id="rows"),
]
MEDIA = [
    pytest.param(f"status:code=503,{EVER}", ["answered 503", "tried again by itself"], id="503"),
    pytest.param(f"status:code=403,{EVER}", ["answered 403", "tried again by itself"], id="403"),
    pytest.param(f"status:code=404,{EVER}", ["is not there yet", "asked for again by itself"], id="404"),
    pytest.param(f"html:{EVER}", ["is a message, not audio", "ask the provider"], id="html"),
    pytest.param(f"noise:{EVER}", ["begins like no audio", "ask the provider"], id="noise"),
    pytest.param(f"empty:{EVER}", ["the body is empty", "ask the provider"], id="empty"),
    pytest.param(f"cut:framing=length,{EVER}", ["cut short", "check base_url, the network"], id="cut"),
    pytest.param(f"gzip:{EVER}", ["came as 'gzip'", "ask the provider"], id="gzip"),
    pytest.param(f"redirect:to=file,{EVER}", ["file:///etc/passwd", "archiver retry"], id="redirect"),
    pytest.param(f"redirect:to=endless,{EVER}", ["more than 5 redirects", "archiver retry"], id="redirects"),
    pytest.param(f"half:{EVER}", ["suspect", "archiver ls --suspect"], id="half"),
]


async def read(folder: Path, dsn: str, fault: str) -> tuple[int, str]:
    """The exit code, and what a person reads after a backfill against this fault."""
    async with staged(folder, dsn, *FEW, "--fault", fault) as stage:
        stage.amend('[transfer]\nmax_attempts = 2\nbackoff = "1ms"\nidle_timeout = "5s"\n')
        answer = await stage.run("backfill", "--log-level", "error")
    assert "Traceback" not in answer.stdout + answer.stderr
    return answer.code, answer.stdout


@pytest.mark.parametrize(("fault", "code", "words"), LISTING)
async def test_trouble_with_a_listing(
    tmp_path: Path, catalog_dsn: str, fault: str, code: int, words: list[str]
) -> None:
    """A listing that cannot be read, or not be believed, is named with its account, the cause and what to do."""
    found, said = await read(tmp_path, catalog_dsn, fault)
    assert found == code, said
    assert [word for word in [ACCOUNT, *words] if word not in said] == [], said


@pytest.mark.parametrize(("fault", "words"), MEDIA)
async def test_trouble_with_media(tmp_path: Path, catalog_dsn: str, fault: str, words: list[str]) -> None:
    """Media that cannot be had, or not be believed, are counted, and the last cause is named with what to do."""
    code, said = await read(tmp_path, catalog_dsn, fault)
    assert code == 1, said
    assert [word for word in [ACCOUNT, *words] if word not in said] == [], said
