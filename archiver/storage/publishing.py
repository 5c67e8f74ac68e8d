"""Publishing into a directory, one step after the other: what is durable when, and what a crash leaves.

The order is fixed:

1. the body's part and the sidecar's part are written and synced; the key's folders exist and are durable;
2. the sidecar takes its name, and the folder is synced;
3. the audio takes its name by a link, which never replaces, and the folder is synced.

Two folder syncs, not one: with a single one at the end a file system may keep the audio's name and lose the
sidecar's, and "audio implies sidecar" would hang on the ordering of its journal. The price is one more flush for each
recording. A crash before 3 leaves parts, which are swept, or a sidecar without audio, which the repeat replaces; a
crash after 3 leaves the finished pair, which the repeat adopts.

Bytes that must leave their key go first: their sidecar is copied, they take a second name under ``damaged/``, that is
made durable, and only then they lose the key. A crash in between leaves them under both names; the repeat notices and
goes on.

From the look at what lies under a key to the last step a lock on the key is held. The lease already keeps others away,
except a writer that was stopped, lost its lease and woke up again: the lock keeps it from acting on an old look.
"""

import errno
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Final

from archiver.model.errors import KeyTaken
from archiver.model.objects import SIDECAR_SUFFIX, Digest
from archiver.ports.storage import Publication
from archiver.storage.files import Folders, explained, finish_part, locked, move_durably, sync, write_durably
from archiver.storage.layout import Layout
from archiver.storage.medium import hash_from_medium

_UNREADABLE: Final = Digest(b"")


class Publisher:
    """Carries publications out; every method blocks. Its work may go on in several threads and processes at once."""

    def __init__(self, layout: Layout, folders: Folders, file_mode: int) -> None:
        self._layout = layout
        self._folders = folders
        self._file_mode = file_mode

    def publish(self, publication: Publication) -> None:
        """Carry one publication out; see the port. Our own parts are gone afterwards, whatever happened."""
        target = self._layout.object(publication.key)
        with explained(f"publish {publication.key}"):
            try:
                self._write_parts(publication)
                self._folders.ensure(target.parent)
                with locked(self._layout.lock(publication.key)):
                    self._take(publication, target)
            finally:
                self._discard_parts(publication)

    def _write_parts(self, publication: Publication) -> None:
        body = publication.body
        if isinstance(body.content, bytes):
            write_durably(self._layout.audio_part(publication.lease), body.content, self._file_mode)
        else:
            with suppress(FileNotFoundError):  # a repeat whose first try consumed it: the object will be adopted
                finish_part(body.content, body.size_bytes, self._file_mode)
        if publication.sidecar is not None:
            write_durably(self._layout.sidecar_part(publication.lease), publication.sidecar, self._file_mode)

    def _take(self, publication: Publication, target: Path) -> None:
        found = self._found(publication, target)
        if found == publication.body.digest:
            self._adopt(publication, target)
            return
        self._audio_part(publication).stat()  # without the new bytes nothing moves
        if found is None:
            self._place(publication, target)
        elif publication.replaces is not None:
            self._put_aside(target, _sidecar_of(target), found, self._layout.aside(publication.key, found))
            self._place(publication, target)
        else:
            self._refuse(publication, found)

    def _found(self, publication: Publication, target: Path) -> Digest | None:
        try:
            return hash_from_medium(target)
        except FileNotFoundError:
            return None
        except OSError as error:
            if error.errno == errno.EIO and publication.replaces is not None:
                return _UNREADABLE
            raise

    def _place(self, publication: Publication, target: Path) -> None:
        sidecar = _sidecar_of(target)
        if publication.sidecar is None:
            sidecar.unlink(missing_ok=True)
        else:
            self._layout.sidecar_part(publication.lease).replace(sidecar)
            sync(target.parent)
        move_durably(self._audio_part(publication), target)

    def _adopt(self, publication: Publication, target: Path) -> None:
        sidecar = _sidecar_of(target)
        if publication.sidecar is not None and not sidecar.exists():
            self._layout.sidecar_part(publication.lease).replace(sidecar)
        sync(target)
        sync(target.parent)
        self._audio_part(publication).unlink(missing_ok=True)

    def _refuse(self, publication: Publication, found: Digest) -> None:
        key, digest = publication.key, publication.body.digest
        part, aside = self._audio_part(publication), self._layout.aside_new(key, digest)
        self._put_aside(part, self._layout.sidecar_part(publication.lease), digest, aside)
        raise KeyTaken(
            f"{key} is taken: {found.hex()} lies there, so the new {digest.hex()} went to {aside}",
            fix="compare the two; if the new bytes are right, move the old ones away and retry the recording",
        )

    def _put_aside(self, audio: Path, sidecar: Path, digest: Digest, wanted: Path) -> None:
        """Move a pair to ``wanted``, or to the first free name like it; bytes that lie there are not doubled."""
        self._folders.ensure(wanted.parent)
        name = wanted
        for number in count(2):
            if not name.exists():
                break
            if name.samefile(audio) or (digest != _UNREADABLE and hash_from_medium(name) == digest):
                sync(name.parent)
                audio.unlink()
                return
            name = wanted.with_name(f"{wanted.name}~{number}")
        with suppress(FileNotFoundError):
            write_durably(_sidecar_of(name), sidecar.read_bytes(), self._file_mode)
        move_durably(audio, name)

    def _audio_part(self, publication: Publication) -> Path:
        content = publication.body.content
        return content if isinstance(content, Path) else self._layout.audio_part(publication.lease)

    def _discard_parts(self, publication: Publication) -> None:
        """A body in a file stays after a failure: it belongs to the spool, and the repeat needs it."""
        with suppress(OSError):
            self._layout.sidecar_part(publication.lease).unlink(missing_ok=True)
            if isinstance(publication.body.content, bytes):
                self._layout.audio_part(publication.lease).unlink(missing_ok=True)


def _sidecar_of(audio: Path) -> Path:
    return audio.with_name(audio.name + SIDECAR_SUFFIX)
