"""The image files of a page: linked or copied beside it, with thumbnails of large ones."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from pathlib import Path
from typing import NamedTuple

from PIL import Image

THUMBNAIL = 320
"""Pixels on the longer side; smaller images are their own thumbnails."""


class Picture(NamedTuple):
    """An image as the page refers to it, relative to the page."""

    src: str
    thumb: str
    width: int
    height: int


class Media:
    """The folder ``media`` beside a page."""

    def __init__(self, out_dir: Path) -> None:
        self.folder = out_dir / "media"
        self.folder.mkdir(parents=True, exist_ok=True)
        self._kept: set[str] = set()

    def add(self, source: Path, key: str) -> Picture | str:
        """Bring one image in; the reason (a text) when it cannot be read.

        A hard link where the file system allows it, so that a page costs no second copy.
        """
        # Keys come from the store, which may be anybody's: they name a file only if harmless.
        stem = key if re.fullmatch(r"[0-9a-f]{8,64}", key) else _digest(key)
        target = self.folder / f"{stem}.png"
        try:
            _link(source, target)
            with Image.open(target) as image:
                width, height = image.size
                thumb = target.name
                if max(width, height) > THUMBNAIL:
                    thumb = f"{stem}.thumb.webp"
                    self._thumbnail(image, self.folder / thumb, target)
        except FileNotFoundError:
            return "the image file is missing"
        # ultralytics replaces Image.open and asks for a HEIF plug-in when a file is no picture.
        except (OSError, ImportError, SyntaxError, Image.DecompressionBombError) as error:
            return f"the image cannot be read: {type(error).__name__}"
        self._kept |= {target.name, thumb}
        return Picture(f"media/{target.name}", f"media/{thumb}", width, height)

    def clean(self) -> None:
        """Remove the pictures of an earlier page that this one does not show."""
        for path in self.folder.iterdir():
            ours = re.fullmatch(r"[0-9a-f]{8,64}(\.png|\.thumb\.webp)", path.name)
            if ours and path.name not in self._kept:
                path.unlink()

    def _thumbnail(self, image: Image.Image, path: Path, source: Path) -> None:
        if path.exists() and path.stat().st_mtime_ns >= source.stat().st_mtime_ns:
            return
        small = image.convert("RGB")
        small.thumbnail((THUMBNAIL, THUMBNAIL))
        small.save(path, quality=82)


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def _link(source: Path, target: Path) -> None:
    if target.exists() and target.samefile(source):
        return
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except FileNotFoundError:
        raise
    except OSError:
        shutil.copyfile(source, target)
