"""The sounds a waiting caller hears: ours, or the operator's own; read and judged at the start.

A file that cannot be played is a mistake in the configuration, told with its path when a gateway
starts or `callfleet config check` looks, and never in the middle of somebody's call. The sounds
that Callfleet brings are made by `tools/hold_sounds.py`.
"""

import wave
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Final

from callfleet.audio import FRAME_MS, PCMU
from callfleet.config import Config
from callfleet.errors import ConfigFault
from services.gateway.mulaw import encoded, encoded_pcm16

FRAME_BYTES: Final = PCMU.bytes(FRAME_MS)
SHORTEST_S: Final = 1.0
LONGEST_S: Final = 900.0
_TENS: Final = (20, 30, 40, 50)
_REMEDY: Final = "convert it: ffmpeg -i FILE -ar 8000 -ac 1 -c:a pcm_s16le hold.wav"


class Unplayable(Exception):
    """What is wrong with a file, as the operator shall read it."""


@cache
def ours(name: str) -> bytes:
    """A sound of Callfleet's own, in whole frames."""
    return _whole_frames(files("services.gateway").joinpath(f"sounds/{name}.ulaw").read_bytes())


def announcement(position: int) -> bytes:
    """The place in line, spoken."""
    if position == 1:
        return ours("next")
    if position > _TENS[-1]:
        return ours("many")
    tens, units = position // 10 * 10, position % 10
    names = [str(tens), str(units)] if tens in _TENS and units else [str(position)]
    return b"".join(ours(name) for name in ("before", *names, "after"))


def hold_loops(config: Config, config_path: str) -> Mapping[str, bytes]:
    """What callers of each org hear, over and over. Raises `ConfigFault` with every mistake.

    Files are looked for beside callfleet.yaml.
    """
    directory = Path(config_path).parent
    loops: dict[str, bytes] = {}
    mistakes = []
    for name, org in config.orgs.items():
        given = org.queue.hold_audio
        try:
            loops[name] = ours("hold") if given is None else read_sound(directory / given)
        except Unplayable as why:
            mistakes.append(f"{config_path}: orgs.{name}.queue.hold_audio: {given}: {why}")
    if mistakes:
        raise ConfigFault(mistakes)
    return loops


def read_sound(path: Path) -> bytes:
    """A file as mu-law at 8 kHz, in whole frames. Raises `Unplayable`."""
    readers = {".ulaw": _read_ulaw, ".wav": _read_wav}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise Unplayable("must be a .ulaw file, or a .wav file at 8 kHz in mono")
    try:
        if path.stat().st_size > LONGEST_S * PCMU.rate * 2 + 1_000_000:
            raise Unplayable(f"is longer than {LONGEST_S / 60:.0f} minutes")
        sound = reader(path)
    except OSError as error:
        raise Unplayable(error.strerror or type(error).__name__) from None
    length_s = len(sound) / PCMU.rate
    if not SHORTEST_S <= length_s <= LONGEST_S:
        bounds = f"from {SHORTEST_S:g} s to {LONGEST_S / 60:.0f} minutes"
        raise Unplayable(f"is {length_s:.1f} s long: it may last {bounds}")
    return _whole_frames(sound)


def _read_ulaw(path: Path) -> bytes:
    sound = path.read_bytes()
    if sound[:4] in (b"RIFF", b".snd"):
        raise Unplayable("has a header: a .ulaw file is samples only, mu-law at 8 kHz")
    return sound


def _read_wav(path: Path) -> bytes:
    try:
        with wave.open(str(path), "rb") as sound:
            rate, channels, width = sound.getframerate(), sound.getnchannels(), sound.getsampwidth()
            data = sound.readframes(sound.getnframes())
    except (wave.Error, EOFError) as error:
        raise Unplayable(f"is no WAV file with PCM samples ({error}): {_REMEDY}") from None
    if (rate, channels) != (PCMU.rate, 1) or width not in (1, 2):
        found = f"{rate} Hz, {channels} channel{'s' * (channels > 1)}, {width * 8} bits"
        raise Unplayable(f"is {found}, not 8000 Hz, 1 channel, 16 bits: {_REMEDY}")
    if width == 1:  # unsigned
        return encoded((sample - 128) << 8 for sample in data)
    return encoded_pcm16(data[: len(data) // 2 * 2])


def _whole_frames(sound: bytes) -> bytes:
    """A loop loses less than a frame at its end; what is shorter than one is filled up."""
    whole = len(sound) // FRAME_BYTES * FRAME_BYTES
    return sound[:whole] or sound.ljust(FRAME_BYTES, PCMU.quiet)
