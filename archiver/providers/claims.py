"""What each provider's claims about a recording are worth: how much shorter than claimed its audio may be.

| provider | claim                           | tolerated shortfall | why                                        |
|----------|---------------------------------|---------------------|--------------------------------------------|
| Vobiz    | ``recording_duration_ms``       | 400 ms or 2 %       | whole frames of 20 ms; equal to end - start |
| VBC      | ``duration`` in ms              | 400 ms or 10 %      | of the call or of the recording: not said  |
| VBC      | ``file_size_in_bytes``          | none                | ``exact_sizes = false`` passes it over     |
| Kazoo    | ``duration_ms``, or ``duration``| 400 ms or 5 %       | counted by the channel; lost packets lack  |
|          | in seconds, rounded down        |                     |                                            |

Of two tolerances the larger one counts. Audio that is longer is never doubted: ringing, hold music and an encoder's
padding lengthen it. ``rounded_recording_duration`` of Vobiz is what is billed, no claim about the audio.

Source: Vobiz, "List all recordings" and "Retrieve a recording"; Vonage, "VBC Call Recording API" 1.0.1; Kazoo,
crossbar/doc/recordings.md and the schema call_recordings; all read 2026-11-22. The tolerances are ours.
"""

from datetime import timedelta
from typing import Final

from archiver.ports.provider import Claims

VOBIZ: Final = Claims(slack=timedelta(milliseconds=400), share=0.02)
VONAGE_VBC: Final = Claims(slack=timedelta(milliseconds=400), share=0.1)
KAZOO: Final = Claims(slack=timedelta(milliseconds=400), share=0.05)
