"""Where secrets come from: the file itself, the environment, another file, or systemd's credentials."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from archiver.app.config.problems import Wrong, kind_of
from archiver.model.secret import Secret

_KINDS: Final = ("env", "file", "credential")
_FORMS: Final = 'a string in quotes, { env = "NAME" }, { file = "PATH" } or { credential = "NAME" }'


@dataclass(frozen=True, slots=True)
class Sources:
    """What a configuration may refer to: files relative to ``folder``, and the environment."""

    folder: Path = field(default_factory=Path)
    environ: Mapping[str, str] = field(default_factory=dict)


def resolve(reference: object, sources: Sources) -> Secret:
    """Read a secret, given as a string or as a reference. One line break at the end of a file is not part of it.

    Raises: ValueError that names the variable or file and never holds the secret.
    """
    if isinstance(reference, str):
        return _checked(reference, "this secret", "give it a value, or remove the key")
    if not isinstance(reference, Mapping):
        raise Wrong(f"must be {_FORMS}, not {kind_of(reference)}")
    if len(reference) != 1 or not reference.keys() <= set(_KINDS):
        raise Wrong(f"must be {_FORMS}", fix="a reference has exactly one of these keys")
    ((kind, name),) = reference.items()
    if not isinstance(name, str) or not name:
        raise Wrong(f"{kind} must be a name in quotes, and not empty")
    if kind == "env":
        return _from_environment(name, sources)
    return _from_file(sources.folder / name) if kind == "file" else _from_credential(name, sources)


def _from_environment(name: str, sources: Sources) -> Secret:
    if name not in sources.environ:
        fix = 'set it where the archiver is started, or use { file = "PATH" }'
        raise Wrong(f"the environment variable {name} is not set", fix=fix)
    return _checked(sources.environ[name], f"the environment variable {name}", "set it to the secret")


def _from_credential(name: str, sources: Sources) -> Secret:
    folder = sources.environ.get("CREDENTIALS_DIRECTORY")
    fix = f"add LoadCredential={name}:PATH to the service's unit"
    if "/" in name or name in (".", ".."):
        raise Wrong("credential must be the name of a credential, not a path", fix='for a path use { file = "PATH" }')
    if not folder:
        raise Wrong(f"the credential {name} is not there: systemd passed no credentials to this process", fix=fix)
    return _from_file(Path(folder) / name, fix)


def _from_file(path: Path, fix: str = "put the secret there, readable for the archiver's user") -> Secret:
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise Wrong(f"cannot read {path}: {error.strerror or type(error).__name__}", fix=fix) from None
    except ValueError:
        raise Wrong(f"{path} holds no UTF-8 text", fix=fix) from None
    return _checked(text.removesuffix("\n"), str(path), fix)


def _checked(text: str, origin: str, fix: str) -> Secret:
    if not text:
        raise Wrong(f"{origin} is empty", fix=fix)
    if not text.isprintable():
        raise Wrong(f"{origin} holds a line break or another control character", fix="a secret is one line of text")
    return Secret(text)
