"""Pictures: JPEG, a sticker, or a film where they move."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pillow_heif
from av.video.frame import VideoFrame
from PIL import Image, ImageOps, UnidentifiedImageError

from chat4all.model.failures import Permanent
from chat4all.model.media_forms import STICKER
from tasks.conversion import films
from tasks.conversion.orders import MADE, SOURCE, TOO_LARGE, UNREADABLE, Order, Result

# No others are looked for: some readers of Pillow start programs, some are hardly ever used.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "HEIF", "AVIF")
# A telephone's camera makes 48 million.
PIXELS_MOST = 50_000_000
SIDES = (2560, 1600, 1024)
QUALITIES = (85, 70, 50)
STICKER_SIDE = 512
# Of what moves: so many pictures, and so many points in all of them.
FRAMES_MOST, MOVING_PIXELS_MOST, SECONDS_MOST = 900, 1_000_000_000, 60.0
# Browsers show shorter ones for so long.
SHORTEST_MS, USUAL_MS = 20, 100
WHITE = (255, 255, 255)


def make(order: Order) -> Result:
    """Write what the source shows, upright, without what the camera noted of place and time."""
    pillow_heif.register_heif_opener(thumbnails=False)
    # Checked below, before anything is decoded.
    Image.MAX_IMAGE_PIXELS = None
    try:
        with Image.open(Path(SOURCE), formats=FORMATS) as image:
            if image.width * image.height > PIXELS_MOST:
                raise Permanent(TOO_LARGE, f"{image.width} x {image.height}")
            if order.form == STICKER.name:
                return _sticker(image, order.bytes_most)
            frames = getattr(image, "n_frames", 1) if image.format in ("GIF", "WEBP", "PNG", "AVIF") else 1
            return _film(image, frames, order.bytes_most) if frames > 1 else _jpeg(image, order.bytes_most)
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, EOFError, RuntimeError) as error:
        raise Permanent(UNREADABLE, f"{type(error).__name__}: {error}"[:200]) from None


def _jpeg(image: Image.Image, bytes_most: int) -> Result:
    """As good as fits."""
    image.draft("RGB", (SIDES[0], SIDES[0]))
    profile = image.info.get("icc_profile")
    upright = ImageOps.exif_transpose(_fitted(image, SIDES[0]))
    for side in SIDES:
        shown = _on_white(_fitted(upright, side))
        for quality in QUALITIES:
            kept: dict[str, Any] = {"icc_profile": profile} if profile and image.mode in ("RGB", "RGBA") else {}
            shown.save(MADE, "JPEG", quality=quality, optimize=True, **kept)
            if Path(MADE).stat().st_size <= bytes_most:
                return Result("image/jpeg")
    raise Permanent(TOO_LARGE, "as a picture it does not become small enough")


def _sticker(image: Image.Image, bytes_most: int) -> Result:
    """A square with nothing around it. Of what moves the first picture."""
    shown = ImageOps.exif_transpose(_fitted(image.convert("RGBA"), STICKER_SIDE))
    square = Image.new("RGBA", (STICKER_SIDE, STICKER_SIDE), (0, 0, 0, 0))
    square.paste(shown, ((STICKER_SIDE - shown.width) // 2, (STICKER_SIDE - shown.height) // 2))
    for quality in QUALITIES:
        square.save(MADE, "WEBP", quality=quality, method=4)
        if Path(MADE).stat().st_size <= bytes_most:
            return Result("image/webp")
    raise Permanent(TOO_LARGE, "as a sticker it does not become small enough")


def _film(image: Image.Image, frames: int, bytes_most: int) -> Result:
    if frames > FRAMES_MOST or frames * image.width * image.height > MOVING_PIXELS_MOST:
        raise Permanent(TOO_LARGE, f"{frames} pictures of {image.width} x {image.height}")
    return films.of_pictures(_moving(image, frames), bytes_most, SECONDS_MOST)


def _moving(image: Image.Image, frames: int) -> Iterator[tuple[VideoFrame, int]]:
    at_ms = 0
    for number in range(frames):
        image.seek(number)
        shown = VideoFrame.from_image(_on_white(_fitted(image, films.SIDE_MOST)))
        yield shown, at_ms
        shows_ms = int(image.info.get("duration") or 0)
        at_ms += shows_ms if shows_ms >= SHORTEST_MS else USUAL_MS
        if at_ms > SECONDS_MOST * 1000:
            return
    # The last one is shown for as long as it says, and not for a moment.
    yield shown, at_ms


def _fitted(image: Image.Image, side: int) -> Image.Image:
    """No larger than that on either side."""
    smaller = min(1.0, side / max(image.size))
    size = (max(1, round(image.width * smaller)), max(1, round(image.height * smaller)))
    image.load()
    fitting = image if size == image.size else _resizable(image).resize(size, Image.Resampling.LANCZOS)
    if "exif" in image.info:
        fitting.info["exif"] = image.info["exif"]
    return fitting


def _resizable(image: Image.Image) -> Image.Image:
    return image.convert("RGBA") if image.mode in ("P", "PA", "LA", "1") or "transparency" in image.info else image


def _on_white(image: Image.Image) -> Image.Image:
    """Without what shines through."""
    if image.mode == "RGB":
        return image
    if image.mode not in ("RGBA", "LA", "PA", "P") and "transparency" not in image.info:
        return image.convert("RGB")
    clear = image.convert("RGBA")
    shown = Image.new("RGB", clear.size, WHITE)
    shown.paste(clear, mask=clear.getchannel("A"))
    return shown
