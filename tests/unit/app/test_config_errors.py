"""Everything that is wrong is told at once, in plain words, before anything is requested (T6)."""

import traceback

import pytest

from tests.unit.app.alpha import ACCOUNT
from tests.unit.app.conftest import Load, Refusal

CANARY = "canary-9e21"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[catalog]\npool_sise = 1", ":2: catalog.pool_sise: unknown key; did you mean pool_size?"),
        ("[catalogue]", ":1: catalogue: unknown key; did you mean catalog?"),
        ("zzz = 1", ":1: zzz: unknown key; known here: accounts, catalog, log, notify"),
        ("catalog = 3", ":1: catalog: must be a table, not a whole number"),
        ('[catalog]\npool_size = "10"', ":2: catalog.pool_size: must be a whole number, like 10, not a string"),
        ("[catalog]\npool_size = true", "must be a whole number, like 10, not a boolean"),
        ("[catalog]\npool_size = 0", "must be at least 1"),
        ('[catalog]\nmigrate = "no"', 'must be "auto" or "manual"'),
        ('[catalog]\ndsn = "mysql://h/d"', "catalog.dsn: is no catalog; write"),
        ('[catalog]\ndsn = "embedded:"', "catalog.dsn: is no catalog; write"),
        ('[catalog]\nlisten_dsn = "embedded:x"', "catalog.listen_dsn: must name a server"),
        ('[storage]\nurl = "gs://b/p"', "no storage is called 'gs'"),
        ('[storage]\nurl = "file:"', "names no directory"),
        ('[storage]\nurl = "file://host/x"', "names no directory"),
        ('[storage]\nurl = "s3://Bucket_1/x"', "names no bucket"),
        ('[storage]\nurl = "s3://my-bucket/a//b"', "has a prefix with an empty part"),
        ('[storage]\nurl = "s3://my-bucket/.archiver"', "begins with a dot"),
        ("[storage]\nurl = 3", "not a whole number"),
        ('[storage]\nkey = "{account}"', "storage.key: the field {recording_id} is missing"),
        ('[storage]\nsidecar = "yes"', "must be true or false, without quotes, not a string"),
        ("[storage]\nmin_free = 3", "must be a size in quotes"),
        ('[storage]\nfile_mode = "999"', "is no file mode"),
        ('[storage]\nfile_mode = "0040"', "keeps the archiver itself from"),
        ('[storage.s3]\nendpoint = "http://h"', "storage.s3.endpoint: must begin with https://"),
        ('[storage.s3]\naccess_key_id = "a"', "storage.s3.access_key_id: needs the other one"),
        ('[storage.s3]\nsession_token = "a"', "storage.s3.session_token: needs access_key_id"),
        ('[storage.s3]\nkms_key_id = "a"', 'needs sse = "aws:kms"'),
        ('[storage.s3]\nretain = "1y"', "storage.s3.retain: object_lock and retain need each other"),
        ('[storage]\ns3 = { regoin = "x" }', ":2: storage.s3.regoin: unknown key; did you mean region?"),
        ('[storage.s3]\ntags = "a"', "must be a table, like"),
        ('[transfer]\nlease = "1s"', "must be at least 2s"),
        ('[transfer]\nbackoff = "7h"', "must be at most 6h"),
        ('[transfer]\nidle_timeout = "0"', "must be at least 1ms"),
        ('[transfer]\nidle_timeout = "999999999999y"', "is no duration"),
        ("[transfer]\nidle_timeout = 60", 'must be a duration in quotes, like "90s"'),
        ('[transfer]\nmax_size = "0"', "must be more than 0"),
        ('[schedule]\nwalk = "15m"', "is no schedule; write it like"),
        ('[schedule]\ntimezone = "Mars/Base"', "there is no time zone"),
        ('[schedule]\ntimezone = "../../etc/passwd"', "there is no time zone"),
        ('[ops]\nlisten = "0.0.0.0:8321"', "ops.listen: is reachable from other machines and needs a token"),
        ('[ops]\nlisten = "127.0.0.1"', "is no address"),
        ('[ops]\nlisten = "h:99999"', "is no address"),
        ('[notify]\nwebhook = "http://h/x"', "must begin with https://"),
        ('[log]\nlevel = "loud"', 'must be "debug", "info", "warning" or "error"'),
        ("accounts = 3", "accounts: must be a table, not a whole number"),
        ("accounts = {}", "accounts: there is no account; add a table [accounts.NAME]"),
        ("[accounts]\nacme = 3", "accounts.acme: must be a table, not a whole number"),
        ("[accounts.acme]", "accounts.acme.provider: is missing; known are alpha"),
        ("[accounts.acme]\nprovider = 'alfa'", "accounts.acme.provider: is no provider that the archiver knows; "
         "did you mean alpha?"),
        (ACCOUNT.replace("acme", "Acme"), "accounts.Acme: is no name for an account"),
        (ACCOUNT.replace("acme", '"a b"'), 'accounts."a b": is no name for an account'),
    ],
)  # fmt: skip
def test_told(refusal: Refusal, text: str, told: str) -> None:
    """Each mistake is told with its line, its key and what would be right."""
    error = refusal(text)
    assert told in str(error)
    assert "config.toml:" in str(error) or error.key == "accounts"


@pytest.mark.parametrize("host", ["0.0.0.0", "[::]", "192.168.0.1", "example.com", "127.0.0.1.example.com"])
def test_listening_beyond_loopback(refusal: Refusal, load_text: Load, host: str) -> None:
    """What other machines may reach asks for a token (S6)."""
    table = f'[ops]\nlisten = "{host}:8321"\n'
    assert "needs a token" in str(refusal(table))
    assert load_text(table + 'token = "t"').ops.token


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ("tokn = 1", "acme.tokn: unknown key; did you mean token?"),
        ("page_sise = 1", "acme.page_sise: unknown key; did you mean page_size?"),
        ("page = 'x'", "acme.page: must be a whole number, like 10, not a string"),
        ("listings = 'x'", 'acme.listings: must be a list, like ["a", "b"], not a string'),
        ("listings = [1]", "acme.listings[0]: must be a string in quotes, not a whole number"),
        ("is_legacy = true\npage = 3", "acme: page is unknown to a legacy installation"),
        ("rate_limit = '0/s'", "is no rate"),
        ("rate_limit = 'inf/s'", "is no rate"),
        ("rate_limit = 'nan/s'", "is no rate"),
        ("since = 'soon'", "is no date; write it like 2026-01-31"),
        ("since = 2024", "must be a date, like 2026-01-31, not a whole number"),
        ("include = {}", "acme.include: names nothing to select by"),
        ("exclude = { number = [] }", "acme.exclude.number: must not be an empty list"),
        ("include = { direction = ['in'] }", 'must be "inbound", "outbound" or "internal"'),
        ("include = { min_duration = '2m', max_duration = '1m' }", "acme.include.min_duration: is longer than"),
        ("include = { form_number = ['1'] }", "acme.include.form_number: unknown key; did you mean from_number?"),
        ("credential_hosts = ['https://h']", "acme.credential_hosts[0]: is no host"),
        ("proxy = 'socks'", "acme.proxy: must be a URL"),
        ("ca_file = ''", "acme.ca_file: must be a path in quotes"),
        ("delete_remote = { max_share = 1.5 }", "acme.delete_remote.max_share: must be at most 1"),
        ("delete_remote = { max_share = 0.0 }", "acme.delete_remote.max_share: must be more than 0"),
        ("delete_remote = { afer = '1d' }", "acme.delete_remote.afer: unknown key; did you mean after?"),
    ],
)
def test_told_of_an_account(refusal: Refusal, lines: str, told: str) -> None:
    """Mistakes in an account's table name the account, in the message and as a fact."""
    error = refusal(ACCOUNT + lines)
    assert told in str(error)
    assert error.account == "acme"


@pytest.mark.parametrize(
    ("base_url", "told"),
    [
        ("http://h/v1", "allow_http = true"),
        (f"https://u:{CANARY}@h/v1", "must not hold a user name or password"),
        (f"https://h/v1?key={CANARY}", "must have no query"),
        (f"https://h/v1#{CANARY}", "must have no query and no fragment"),
        ("ftp://h", "must be a URL"),
        ("https://", "must be a URL"),
        ("https://h:99999", "must be a URL"),
        ("https://[h", "must be a URL"),
        ("https://h/a b", "must be a URL"),
    ],
)
def test_base_url(refusal: Refusal, base_url: str, told: str) -> None:
    """A base address is https unless allowed otherwise, and never carries credentials (S1, S5)."""
    error = refusal(ACCOUNT.replace("https://alpha.example/v1", base_url))
    assert error.key == "accounts.acme.base_url"
    assert told in str(error)
    assert CANARY not in str(error)


def test_missing_base_url(refusal: Refusal) -> None:
    """A provider without an address of its own needs one, and the error shows how it looks."""
    error = refusal(ACCOUNT.replace('base_url = "https://alpha.example/v1"\n', ""))
    assert "accounts.acme.base_url: is missing" in str(error)


def test_missing_secret(refusal: Refusal) -> None:
    """A variable that is not set is told with account, key, variable and fix."""
    error = refusal(ACCOUNT.replace("TOKEN", "NOPE"))
    assert str(error).endswith(
        "config.toml:6: accounts.acme.token: the environment variable NOPE is not set; "
        'set it where the archiver is started, or use { file = "PATH" }'
    )
    assert (error.key, error.account) == ("accounts.acme.token", "acme")
    assert error.fix


def test_all_at_once(refusal: Refusal) -> None:
    """Several problems are counted and come in the order of the file; the facts are those of the first."""
    text = "[accounts.b]\nprovider = 'alpha'\nusr = 'u'\n[log]\nlevel = 1\n[accounts.a]\nprovider = 'x'\n"
    first, *lines = str(refusal(text)).splitlines()
    assert first == "6 problems in the configuration:"
    assert [line.split(": ")[1] for line in lines] == [
        "accounts.b.base_url", "accounts.b.user", "accounts.b.token", "accounts.b.usr", "log.level",
        "accounts.a.provider",
    ]  # fmt: skip
    assert refusal(text).key == "accounts.b.base_url"


def test_no_secret_and_no_jargon(load_text: Load, refusal: Refusal) -> None:
    """Neither errors nor what they were raised from show a secret, and a configuration prints without any (S5)."""
    text = (
        f"[catalog]\ndsn = 'mysql://u:{CANARY}@h'\nlisten_dsn = ['{CANARY}']\n[ops]\ntoken = {{ {CANARY} = 1 }}\n"
        f"[notify]\nwebhook = 'http://h/{CANARY}'\n[storage.s3]\nsecret_access_key = '{CANARY}'\n"
        + ACCOUNT.replace('{ env = "TOKEN" }', f"{{ key = '{CANARY}' }}")
        + f"proxy = '{CANARY}'\n"
    )
    told = "".join(traceback.format_exception(refusal(text)))
    assert "7 problems" in told
    for word in (CANARY, "pydantic", "Input should", "validation error", "Value error"):
        assert word not in told.replace("archiver/app/config", "")
    shown = repr(load_text(f"[catalog]\ndsn = 'postgresql://u:{CANARY}@h/d'\n[ops]\ntoken = '{CANARY}'\n"))
    assert CANARY not in shown
    assert "canary-of-the-environment" not in shown
