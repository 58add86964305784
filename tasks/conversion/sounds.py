"""Voice notes and sounds: Opus in Ogg, or AAC in MP4; one channel, whatever came."""

from typing import NamedTuple

import av
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer

from chat4all.model.failures import Permanent
from chat4all.model.media_forms import VOICE
from tasks.conversion.orders import MADE, TOO_LARGE, UNREADABLE, Order, Result
from tasks.conversion.streams import opened

SECONDS_MOST = 3600.0


class Kind(NamedTuple):
    """How a form is written."""

    container: str
    mime_type: str
    codec: str
    sample_format: str
    layout: str
    bit_rate: int
    options: dict[str, str]


VOICE_NOTE = Kind("ogg", "audio/ogg", "libopus", "s16", "mono", 32_000, {"application": "voip"})
MUSIC = Kind("mp4", "audio/mp4", "aac", "fltp", "stereo", 128_000, {})
RATE = 48_000


def make(order: Order) -> Result:
    """Write the sound of the source, whatever else is in it."""
    kind = VOICE_NOTE if order.form == VOICE.name else MUSIC
    options = {"movflags": "faststart"} if kind.container == "mp4" else {}
    with (
        opened(SECONDS_MOST) as source,
        av.open(MADE, "w", format=kind.container, options=options | {"fflags": "+bitexact"}) as made,
    ):
        if _copied(source, made, kind) == 0:
            raise Permanent(UNREADABLE, "no sound is in it")
    return Result(kind.mime_type)


def _copied(source: InputContainer, made: OutputContainer, kind: Kind) -> int:
    """How many samples were written."""
    if not source.streams.audio:
        return 0
    stream = made.add_stream(kind.codec, rate=RATE, options=dict(kind.options), layout=kind.layout)
    assert isinstance(stream, AudioStream)  # noqa: S101 - its codec is one of sounds
    stream.bit_rate = kind.bit_rate
    resampler = AudioResampler(format=kind.sample_format, layout=kind.layout, rate=RATE)
    samples = 0
    for frame in source.decode(source.streams.audio[0]):
        # Where the first sound is, is where it begins.
        frame.pts = None
        for each in resampler.resample(frame):
            samples += each.samples
            if samples > SECONDS_MOST * RATE:
                raise Permanent(TOO_LARGE, f"longer than {SECONDS_MOST:.0f} s")
            made.mux(stream.encode(each))
    if samples:
        for each in resampler.resample(None):
            made.mux(stream.encode(each))
        made.mux(stream.encode(None))
    return samples
