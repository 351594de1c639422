"""Names the images of an overlay by their digests: ``python deploy/k8s/pin.py staging API TRAINER``."""

from __future__ import annotations

import re
import sys
from pathlib import Path

OVERLAYS = Path(__file__).parent / "overlays"
IMAGE = re.compile(r"(?P<name>[a-z0-9][a-z0-9._/:-]*)@(?P<digest>sha256:[0-9a-f]{64})")


def pin(text: str, images: dict[str, str]) -> str:
    """Set name and digest of images in the text of a ``kustomization.yaml``.

    Args:
        text: What is in the file.
        images: Image of the base -> image of a registry, such as ``ghcr.io/shop/api@sha256:...``.

    Raises:
        ValueError: An image is not named by its digest, or the overlay does not have it.
    """
    for base, image in images.items():
        if not (found := IMAGE.fullmatch(image)):
            raise ValueError(f"'{image}' does not name an image by its digest: name@sha256:...")
        entry = rf"(- name: {re.escape(base)}\n +newName: )\S+(\n +digest: )\S+"
        text, count = re.subn(entry, rf"\g<1>{found['name']}\g<2>{found['digest']}", text)
        if count != 1:
            raise ValueError(f"the overlay has {count} entries of {base}")
    return text


if __name__ == "__main__":
    overlay, api, trainer = sys.argv[1:]
    file = OVERLAYS / overlay / "kustomization.yaml"
    file.write_text(pin(file.read_text(), {"sales_forecast/api": api, "sales_forecast/trainer": trainer}))
