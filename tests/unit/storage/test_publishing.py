"""Publishing into a directory under kills, power cuts, full disks and failing syncs."""

import errno
import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest

from archiver.model.errors import KeyTaken, StorageError
from archiver.model.objects import Body, Digest, Key
from archiver.model.recording import LeaseId
from archiver.ports.storage import Publication
from archiver.storage.files import Folders, locked
from archiver.storage.layout import Layout
from archiver.storage.publishing import Publisher
from tests.contract.storage import DOCUMENT, FIRST, KEY, SECOND, digest_of, publication
from tests.unit.storage.crash import SCENARIOS

REPOSITORY = Path(__file__).parents[3]
PAIR = {KEY: FIRST, f"{KEY}.json": DOCUMENT}


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """The layout of an empty directory."""
    layout = Layout(tmp_path / "root")
    layout.parts.mkdir(parents=True)
    layout.damaged.mkdir()
    return layout


@pytest.fixture
def publisher(layout: Layout) -> Publisher:
    """A publisher into it."""
    return Publisher(layout, Folders(layout.root, 0o750), 0o640)


def files(folder: Path) -> dict[str, bytes]:
    """All files below a folder, by relative path."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def published(layout: Layout) -> dict[str, bytes]:
    """All files that are not ours."""
    return {name: content for name, content in files(layout.root).items() if not name.startswith(".archiver/")}


def spooled(layout: Layout, content: bytes) -> Publication:
    """A publication whose body lies in the parts folder."""
    lease = LeaseId(UUID(int=7))
    layout.audio_part(lease).write_bytes(content)
    body = Body(content=layout.audio_part(lease), digest=digest_of(content), size_bytes=len(content))
    return Publication(key=KEY, body=body, sidecar=DOCUMENT, lease=lease)


def failure_of(publisher: Publisher, one: Publication) -> StorageError | None:
    """Publish; answers what went wrong, if anything did."""
    try:
        publisher.publish(one)
    except StorageError as error:
        return error
    return None


def fail_at(monkeypatch: pytest.MonkeyPatch, name: str, turn: int, number: int) -> Callable[[], int]:
    """Let a function of ``os`` fail at its given turn; answers how often it was called so far."""
    real, calls = getattr(os, name), 0

    def failing(*arguments: object, **options: object) -> object:
        nonlocal calls
        calls += 1
        if calls == turn:
            raise OSError(number, os.strerror(number))
        return real(*arguments, **options)

    monkeypatch.setattr(os, name, failing)
    return lambda: calls


def record_steps(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Path]]:
    """Note every sync and every name that is given, in their order."""
    steps: list[tuple[str, Path]] = []
    sync, link, rename = os.fsync, os.link, os.replace

    def noted_sync(descriptor: int) -> None:
        steps.append(("sync", Path(f"/proc/self/fd/{descriptor}").readlink()))
        sync(descriptor)

    def noted_link(source: Path, target: Path) -> None:
        steps.append(("name", target))
        link(source, target)

    def noted_rename(source: Path, target: Path) -> None:
        steps.append(("name", target))
        rename(source, target)

    monkeypatch.setattr(os, "fsync", noted_sync)
    monkeypatch.setattr(os, "link", noted_link)
    monkeypatch.setattr(os, "replace", noted_rename)
    return steps


def test_a_kill_at_any_step_loses_nothing(tmp_path: Path) -> None:
    """R1, O4: killed before each step, what is published is whole and has its sidecar; repeating converges."""
    command = [sys.executable, "-m", "tests.unit.storage.crash", str(tmp_path)]
    done = subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True, timeout=60)
    report = json.loads(done.stdout)
    assert report["wrong"] == []
    assert report["kills"].keys() == {scenario.name for scenario in SCENARIOS}
    assert min(report["kills"].values()) > 10


def test_only_what_is_durable_gets_a_name(
    layout: Layout, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R2: parts and folders are synced first, and the sidecar's name is durable before the audio gets its own."""
    steps = record_steps(monkeypatch)
    one = publication(FIRST, key=Key("acme/rec.wav"))
    publisher.publish(one)
    folder = layout.root / "acme"
    assert steps == [
        ("sync", layout.audio_part(one.lease)),
        ("sync", layout.sidecar_part(one.lease)),
        ("sync", layout.root),
        ("name", folder / "rec.wav.json"),
        ("sync", folder),
        ("name", folder / "rec.wav"),
        ("sync", folder),
    ]


def test_old_bytes_are_durable_aside_before_they_lose_their_key(
    layout: Layout, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R6: the old pair is synced under its new name before anything else happens to its key."""
    publisher.publish(publication(FIRST))
    steps = record_steps(monkeypatch)
    publisher.publish(publication(SECOND, replaces=digest_of(FIRST)))
    aside = layout.aside(KEY, digest_of(FIRST))
    begin = steps.index(("sync", aside.with_name(f"{aside.name}.json")))
    assert steps[begin + 1 : begin + 3] == [("name", aside), ("sync", aside.parent)]
    assert ("name", layout.root / KEY) in steps[begin + 3 :]


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.EROFS])
@pytest.mark.parametrize("name", ["fsync", "link", "replace", "open", "fchmod", "mkdir"])
def test_a_failing_step_is_a_storage_error(
    layout: Layout, publisher: Publisher, monkeypatch: pytest.MonkeyPatch, name: str, number: int
) -> None:
    """R3: whichever step fails, the error names key and cause, audio implies sidecar, and repeating converges."""
    for turn in range(1, 50):
        one = publication(FIRST, key=Key(f"turn-{turn}/rec.wav"))
        with monkeypatch.context() as patch:
            calls = fail_at(patch, name, turn, number)
            error = failure_of(publisher, one)
            is_done = calls() < turn
        assert error is None or (one.key in str(error) and errno.errorcode[number] in str(error))
        found = published(layout)
        assert one.key not in found or f"{one.key}.json" in found
        assert not files(layout.parts)
        publisher.publish(one)
        assert published(layout)[one.key] == FIRST
        if is_done:
            return
    pytest.fail("it never ran through")


def test_a_spooled_body_whose_sync_failed_is_not_used_again(
    layout: Layout, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R3: after a failed sync the kernel may have dropped the bytes; the part is removed, and a repeat fails too."""
    large = spooled(layout, FIRST)
    with monkeypatch.context() as patch:
        fail_at(patch, "fsync", 1, errno.EIO)
        with pytest.raises(StorageError):
            publisher.publish(large)
    assert not files(layout.parts)
    with pytest.raises(StorageError):
        publisher.publish(large)
    assert KEY not in published(layout)


def test_a_spooled_body_survives_a_failure_of_something_else(
    layout: Layout, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R3: when the sidecar finds no room, the spooled body stays for the repeat."""
    large = spooled(layout, FIRST)
    with monkeypatch.context() as patch:
        fail_at(patch, "replace", 1, errno.ENOSPC)
        with pytest.raises(StorageError):
            publisher.publish(large)
    publisher.publish(large)
    assert published(layout) == PAIR


def test_a_lost_spooled_body_moves_nothing(layout: Layout, publisher: Publisher) -> None:
    """R6: when the new bytes are gone, even a damaged object keeps its key."""
    publisher.publish(publication(FIRST))
    large = replace(spooled(layout, SECOND), replaces=digest_of(FIRST))
    layout.audio_part(large.lease).unlink()
    with pytest.raises(StorageError, match="ENOENT"):
        publisher.publish(large)
    assert published(layout) == PAIR


def test_a_short_spooled_body_is_refused(layout: Layout, publisher: Publisher) -> None:
    """O4: a part that is not as long as what was downloaded is never published."""
    large = spooled(layout, FIRST)
    short = replace(large, body=replace(large.body, size_bytes=len(FIRST) + 1))
    with pytest.raises(StorageError, match=f"{len(FIRST)} bytes instead of"):
        publisher.publish(short)
    assert not published(layout)


def test_without_hard_links_names_are_given_by_a_rename(
    layout: Layout, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R2: where links are refused, publishing, refusing and replacing work the same."""

    def refuse(source: Path, target: Path) -> None:
        raise OSError(errno.EPERM, "Operation not permitted", str(target))

    monkeypatch.setattr(os, "link", refuse)
    publisher.publish(publication(FIRST))
    with pytest.raises(KeyTaken):
        publisher.publish(publication(SECOND))
    publisher.publish(publication(SECOND, replaces=digest_of(FIRST)))
    assert published(layout) == {KEY: SECOND, f"{KEY}.json": DOCUMENT}
    assert layout.aside(KEY, digest_of(FIRST)).read_bytes() == FIRST


def test_refused_bytes_lie_aside_once(layout: Layout, publisher: Publisher) -> None:
    """Repeating a publication whose key is taken does not fill the disk with copies."""
    publisher.publish(publication(FIRST))
    for _ in range(3):
        with pytest.raises(KeyTaken, match="damaged"):
            publisher.publish(publication(SECOND))
    name = f"{KEY}~new-{digest_of(SECOND).hex()[:8]}"
    assert files(layout.damaged) == {name: SECOND, f"{name}.json": DOCUMENT}
    assert not files(layout.parts)


def test_nothing_aside_is_overwritten(layout: Layout, publisher: Publisher) -> None:
    """R6: when the name aside is taken by other bytes, the next free one is used."""
    publisher.publish(publication(FIRST))
    aside = layout.aside(KEY, digest_of(FIRST))
    aside.parent.mkdir(parents=True)
    aside.write_bytes(b"something else")
    publisher.publish(publication(SECOND, replaces=digest_of(FIRST)))
    assert aside.read_bytes() == b"something else"
    assert aside.with_name(f"{aside.name}~2").read_bytes() == FIRST


@pytest.mark.parametrize("damage", [b"", FIRST[:-1], b"\xff" + FIRST[1:], FIRST + b"x"])
def test_damaged_bytes_are_kept_aside(layout: Layout, publisher: Publisher, damage: bytes) -> None:
    """R6: flipped, cut and lengthened objects make way for the sound bytes, and stay to be looked at."""
    publisher.publish(publication(FIRST))
    (layout.root / KEY).write_bytes(damage)
    publisher.publish(publication(FIRST, replaces=digest_of(FIRST)))
    assert published(layout) == PAIR
    assert layout.aside(KEY, digest_of(damage)).read_bytes() == damage


def test_an_unreadable_object_makes_way(layout: Layout, publisher: Publisher, monkeypatch: pytest.MonkeyPatch) -> None:
    """R6: an object that the disk refuses to read moves aside unread; without ``replaces`` it stays."""
    publisher.publish(publication(FIRST))
    for replaces in (None, digest_of(FIRST)):
        with monkeypatch.context() as patch:
            fail_at(patch, "fstat", 2, errno.EIO)  # the first one looks at the lock, the second at the object
            error = failure_of(publisher, publication(SECOND, replaces=replaces))
        assert (error is None) == (replaces is not None)
    assert published(layout)[KEY] == SECOND
    assert layout.aside(KEY, Digest(b"")).read_bytes() == FIRST


def test_modes_follow_the_options(layout: Layout, publisher: Publisher) -> None:
    """Files have the configured mode and folders its search bits, whatever the umask says."""
    before = os.umask(0o077)
    try:
        publisher.publish(publication(FIRST))
    finally:
        os.umask(before)
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in (layout.root / "acme", layout.root / KEY)}
    assert list(modes.values()) == [0o750, 0o640]


def test_a_symbolic_link_under_a_key_is_not_followed(layout: Layout, publisher: Publisher, tmp_path: Path) -> None:
    """S3: what a link under a key points to is neither adopted nor changed."""
    outside = tmp_path / "outside"
    outside.write_bytes(FIRST)
    (layout.root / KEY).parent.mkdir(parents=True)
    (layout.root / KEY).symlink_to(outside)
    for replaces in (None, digest_of(SECOND)):
        with pytest.raises(StorageError, match="ELOOP"):
            publisher.publish(publication(FIRST, replaces=replaces))
    assert outside.read_bytes() == FIRST


@pytest.mark.parametrize("key", ["/etc/passwd", "../up", "a/../../up", "a//b", "", "a/", ".archiver/parts/x", "a\0b"])
def test_unsafe_keys_are_refused(layout: Layout, publisher: Publisher, key: str) -> None:
    """S3: a key that leaves the root or enters our folder is refused before anything is written."""
    with pytest.raises(StorageError, match="refused"):
        publisher.publish(publication(FIRST, key=Key(key)))
    assert not files(layout.root)


def test_a_key_that_is_being_written_is_not_touched(layout: Layout, publisher: Publisher) -> None:
    """R5: a writer that holds a key keeps others waiting; when it is killed, the kernel frees the key at once."""
    script = (
        "import sys; from pathlib import Path; from archiver.storage.files import locked\n"
        "with locked(Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", script, str(layout.lock(KEY))]
    with subprocess.Popen(command, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(StorageError, match="another writer"), locked(layout.lock(KEY), patience_s=0.05):
            pytest.fail("it was locked twice")
        holder.kill()
    publisher.publish(publication(FIRST))
    assert published(layout) == PAIR


def test_a_full_disk_is_a_storage_error() -> None:
    """R3: a file that may not grow further leaves nothing under the key and no parts; the process lives."""
    script = (
        "import resource, sys, tempfile; from pathlib import Path\n"
        "from tests.unit.storage import crash; from archiver.model.errors import StorageError\n"
        "root = Path(tempfile.mkdtemp()) / 'root'; crash.prepare(root, crash.SCENARIOS[0])\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))\n"
        "try: crash.publish(root, crash.SCENARIOS[0], 1)\n"
        "except StorageError as error: print(error)\n"
        "print(sum(path.is_file() for path in root.rglob('*')), 'files')\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=REPOSITORY, check=True, capture_output=True, text=True)
    assert "cannot publish acme/2026/rec.wav: File too large (EFBIG)" in done.stdout
    assert done.stdout.endswith("0 files\n")
