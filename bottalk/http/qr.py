"""QR pictures, drawn here: no third party learns who is about to bind."""

import segno


def data_uri(text: str) -> str:
    """A PNG of `text` as a data URI: a picture that can be pressed and recognised on a phone."""
    return str(segno.make(text, error="m", micro=False).png_data_uri(scale=8, border=3))
