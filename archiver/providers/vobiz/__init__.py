"""Vobiz: a listing by offset without a time filter, static credentials in two headers, media behind links.

Source: vobiz docs, recordings API ("List all recordings", "Retrieve a recording", recording object), authentication,
error codes and the recording download guide; read 2026-11.
"""

from archiver.providers.vobiz.options import DEFAULTS, VobizOptions
from archiver.providers.vobiz.provider import CAPABILITIES, VobizProvider

__all__ = ["CAPABILITIES", "DEFAULTS", "VobizOptions", "VobizProvider"]
