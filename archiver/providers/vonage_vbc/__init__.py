"""Vonage Business Communications: listings by page number, OAuth tokens, ten requests a minute for everything.

Company recordings and the on-demand recordings of each user are listed apart and may share numbers, so an id begins
with its listing. Addresses take ``self`` for the account and the user of the token; who that is stands in the links of
a listing. Where a listing with rows never says it, ``self@`` and a digest of the login name stand in for the id.

Source: vonage VBC call recording API, specification 1.0.1, and developer pages on authentication; read 2026-11.
"""

from archiver.providers.vonage_vbc.options import DEFAULTS, VonageVbcOptions
from archiver.providers.vonage_vbc.provider import CAPABILITIES, VonageVbcProvider

__all__ = ["CAPABILITIES", "DEFAULTS", "VonageVbcOptions", "VonageVbcProvider"]
