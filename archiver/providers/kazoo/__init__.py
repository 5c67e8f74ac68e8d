"""2600Hz Kazoo: listings by windows of time, tokens of a fixed life, media at a recording's own address by ``Accept``.

Operators run and set up Kazoo themselves, so its limits and the life of its tokens may differ from what is said here.
Source: 2600Hz docs, Crossbar: recordings, api_auth, user_auth; open-source Kazoo 4.3 and master; read 2026-11.
"""

from archiver.providers.kazoo.options import DEFAULTS, KazooOptions
from archiver.providers.kazoo.provider import CAPABILITIES, KazooProvider

__all__ = ["CAPABILITIES", "DEFAULTS", "KazooOptions", "KazooProvider"]
