"""Small sounds, pictures and films, made by the libraries themselves."""

import array
import io
import math
from typing import Any

import av
import pillow_heif
from PIL import Image

RATE = 48_000


def sound(container: str, codec: str, seconds: float = 1.0, layout: str = "stereo", options: Any = None) -> bytes:
    """A tone."""
    file, channels = io.BytesIO(), 2 if layout == "stereo" else 1
    with av.open(file, "w", format=container, options=options or {}) as made:
        stream: Any = made.add_stream(codec, rate=RATE, layout=layout)
        for begin in range(0, int(seconds * RATE), 960):
            frame = av.AudioFrame(format="s16", layout=layout, samples=960)
            tone = [int(8000 * math.sin((begin + place // channels) / 20)) for place in range(960 * channels)]
            frame.planes[0].update(array.array("h", tone).tobytes())
            frame.rate, frame.pts = RATE, begin
            made.mux(stream.encode(frame))
        made.mux(stream.encode(None))
    return file.getvalue()


def film(
    container: str,
    codec: str,
    size: tuple[int, int] = (320, 180),
    frames: int = 15,
    audio: str = "",
    options: Any = None,
    halves: bool = False,
) -> bytes:
    """Colours that change, perhaps with silence beside them; `halves`: the left one is red."""
    file = io.BytesIO()
    with av.open(file, "w", format=container, options=options or {}) as made:
        video: Any = made.add_stream(codec, rate=15)
        video.width, video.height = size
        video.pix_fmt = "yuv420p"
        heard: Any = made.add_stream(audio, rate=RATE, layout="stereo") if audio else None
        for number in range(frames):
            shown = Image.new("RGB", size, (number * 9 % 256, 40, 90))
            if halves:
                shown.paste((255, 0, 0), (0, 0, size[0] // 2, size[1]))
            frame = av.VideoFrame.from_image(shown)
            frame.pts = number
            made.mux(video.encode(frame))
            if heard:
                silence = av.AudioFrame(format="s16", layout="stereo", samples=3200)
                silence.planes[0].update(bytes(12_800))
                silence.rate, silence.pts = RATE, number * 3200
                made.mux(heard.encode(silence))
        made.mux(video.encode(None))
        if heard:
            made.mux(heard.encode(None))
    return file.getvalue()


def picture(kind: str, size: tuple[int, int] = (320, 200), mode: str = "RGB", **how: Any) -> bytes:
    """A plain picture."""
    pillow_heif.register_heif_opener()
    file = io.BytesIO()
    Image.new(mode, size, (200, 40, 90, 100)[: len(mode)]).save(file, kind, **how)
    return file.getvalue()


def noise(kind: str, size: tuple[int, int], **how: Any) -> bytes:
    """A picture that no format makes small."""
    pillow_heif.register_heif_opener()
    file = io.BytesIO()
    Image.merge("RGB", [Image.effect_noise(size, 120) for _ in range(3)]).save(file, kind, **how)
    return file.getvalue()


def moving(kind: str, frames: int = 8, size: tuple[int, int] = (120, 81)) -> bytes:
    """A picture that moves."""
    file = io.BytesIO()
    first, *rest = [Image.new("RGB", size, (number * 30 % 256, 0, 0)) for number in range(frames)]
    first.save(file, kind, save_all=True, append_images=rest, duration=100)
    return file.getvalue()
