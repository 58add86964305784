"""Films: H.264 and AAC in MP4, which every phone plays; from other films, or from the pictures of an animation."""

from collections.abc import Iterator
from fractions import Fraction

import av
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.filter import Graph
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from chat4all.model.failures import Permanent
from tasks.conversion.orders import MADE, TOO_LARGE, UNREADABLE, Order, Result
from tasks.conversion.sounds import RATE
from tasks.conversion.streams import opened

MIME_TYPE = "video/mp4"
SECONDS_MOST = 600.0
PIXELS_MOST = 16_000_000
SIDE_MOST = 1280
RATE_MOST, RATE_LEAST, SOUND_RATE = 2_500_000, 150_000, 96_000
# Of the size that it may have, what is left for the container and for peaks.
FILLED = 0.85
X264 = {"preset": "veryfast", "crf": "24", "profile": "main", "threads": "1"}
TICKS = Fraction(1, 90_000)
FORMAT = {"movflags": "faststart", "fflags": "+bitexact"}
TURNS = {
    90: ("cclock",),
    -90: ("clock",),
    270: ("clock",),
    -270: ("cclock",),
    180: ("clock", "clock"),
    -180: ("clock", "clock"),
}


def make(order: Order) -> Result:
    """Write the first film and the first sound of the source."""
    with opened(SECONDS_MOST) as source:
        if not source.streams.video:
            raise Permanent(UNREADABLE, "no film is in it")
        rate = video_rate(order.bytes_most, _seconds(source))
    with opened(SECONDS_MOST) as source, av.open(MADE, "w", format="mp4", options=FORMAT) as made:
        _copy(source, made, rate)
    return Result(MIME_TYPE)


def _seconds(source: InputContainer) -> float:
    """How long it lasts. What a browser records does not say so: there the last picture does."""
    if source.duration:
        return source.duration / av.time_base
    shown = (float(each.pts * each.time_base) for each in source.demux(video=0) if each.pts is not None)
    return max(shown, default=0.0)


def of_pictures(pictures: Iterator[tuple[VideoFrame, int]], bytes_most: int, seconds: float) -> Result:
    """Write a silent film of pictures, each with the time at which it is shown first (ms)."""
    with av.open(MADE, "w", format="mp4", options=FORMAT) as made:
        film = _Film(made, video_rate(bytes_most, seconds))
        for frame, at_ms in pictures:
            frame.pts, frame.time_base = at_ms * 90, TICKS
            film.add(frame)
        film.end()
    return Result(MIME_TYPE)


def video_rate(bytes_most: int, seconds: float) -> int:
    """Bits a second that fit. Permanent where a film would be too poor to be seen."""
    fitting = int(bytes_most * 8 * FILLED / max(seconds, 1.0)) - SOUND_RATE
    if fitting < RATE_LEAST:
        raise Permanent(TOO_LARGE, f"{seconds:.0f} s are too long for {bytes_most} bytes")
    return min(fitting, RATE_MOST)


def _copy(source: InputContainer, made: OutputContainer, rate: int) -> None:
    """Decode and encode both, side by side, so that little waits in memory."""
    streams = [source.streams.video[0], *source.streams.audio[:1]]
    film = _Film(made, rate)
    sound = _Sound(made) if source.streams.audio else None
    for frame in source.decode(streams):
        if isinstance(frame, VideoFrame | AudioFrame) and (frame.time or 0) > SECONDS_MOST:
            raise Permanent(TOO_LARGE, f"longer than {SECONDS_MOST:.0f} s")
        if isinstance(frame, VideoFrame):
            film.add(frame)
        elif isinstance(frame, AudioFrame) and sound:
            sound.add(frame)
    film.end()
    if sound:
        sound.end()


class _Film:
    """Pictures as H.264: upright, of even sides, no larger than phones show."""

    def __init__(self, made: OutputContainer, rate: int) -> None:
        self._made = made
        options = X264 | {"maxrate": str(rate), "bufsize": str(rate)}
        self._stream: VideoStream = made.add_stream("libx264", rate=30, options=options)
        self._stream.pix_fmt = "yuv420p"
        self._stream.codec_context.time_base = TICKS
        self._graph: Graph | None = None
        self._shape: tuple[int, int, str] | None = None
        self._last = -1

    def add(self, frame: VideoFrame) -> None:
        shape = (frame.width, frame.height, frame.format.name)
        if self._graph is None:
            self._shape, self._graph = shape, _graph(frame)
        if shape != self._shape:
            # Its size changes in the middle: what is meant nobody knows.
            raise Permanent(UNREADABLE, "its pictures are not all of one size")
        self._graph.push(frame)
        self._write(self._graph.pull())

    def _write(self, shown: object) -> None:
        assert isinstance(shown, VideoFrame)  # noqa: S101 - it is a graph of pictures
        if self._last < 0:
            self._stream.width, self._stream.height = shown.width, shown.height
        at = int((shown.time or 0) / TICKS)
        if at <= self._last:
            return
        self._last = at
        shown.pts, shown.time_base, shown.pict_type = at, TICKS, 0
        self._made.mux(self._stream.encode(shown))

    def end(self) -> None:
        if self._last < 0:
            raise Permanent(UNREADABLE, "no picture is in it")
        self._made.mux(self._stream.encode(None))


class _Sound:
    """What is heard, as AAC. It begins with the film."""

    def __init__(self, made: OutputContainer) -> None:
        self._made = made
        self._stream: AudioStream = made.add_stream("aac", rate=RATE, layout="stereo")
        self._stream.bit_rate = SOUND_RATE
        self._resampler = AudioResampler(format="fltp", layout="stereo", rate=RATE)

    def add(self, frame: AudioFrame) -> None:
        for each in self._resampler.resample(frame):
            self._made.mux(self._stream.encode(each))

    def end(self) -> None:
        for each in self._resampler.resample(None):
            self._made.mux(self._stream.encode(each))
        self._made.mux(self._stream.encode(None))


def _graph(frame: VideoFrame) -> Graph:
    """Turns pictures as this one says, and makes them smaller. Permanent where they are larger than can be meant."""
    if frame.width * frame.height > PIXELS_MOST:
        raise Permanent(TOO_LARGE, f"{frame.width} x {frame.height}")
    graph = Graph()
    steps = [graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base)]
    turns = TURNS.get(frame.rotation, ())
    steps += [graph.add("transpose", each) for each in turns]
    width, height = (frame.height, frame.width) if len(turns) == 1 else (frame.width, frame.height)
    smaller = min(1.0, SIDE_MOST / max(width, height))
    fitting = ":".join(str(max(2, int(each * smaller) // 2 * 2)) for each in (width, height))
    steps += [graph.add("scale", fitting), graph.add("setsar", "1"), graph.add("format", "yuv420p"), graph.add("buffersink")]
    graph.link_nodes(*steps).configure()
    return graph
