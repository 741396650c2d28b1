"""The audio format that the service accepts, and the limits for reading and converting audio."""

from __future__ import annotations

from typing import Final

SAMPLE_RATE: Final = 24_000  # Hz; the only rate that `agent.speak` accepts
SAMPLE_BYTES: Final = 2  # bytes of a sample: 16 bits, signed, little-endian, mono
PIECE_BYTES: Final = SAMPLE_RATE * SAMPLE_BYTES  # maximum bytes of an output piece: 1 s

LOWEST_RATE: Final = 1_000  # Hz
HIGHEST_RATE: Final = 768_000  # Hz
MOST_CHANNELS: Final = 256
PLAUSIBLE_CHANNELS: Final = (
    8  # an array with more columns than this, and fewer rows than columns, is probably transposed
)

BLOCK_SECONDS: Final = 2  # maximum seconds of sound to read and resample at a time
BLOCK_BYTES: Final = 1024 * 1024  # maximum bytes of a block
READ_BYTES: Final = 64 * 1024  # bytes to read at a time from an encoded file or a stream
SNIFF_BYTES: Final = 32  # bytes needed to recognise a file
HEADER_LIMIT: Final = 16 * 1024 * 1024  # maximum bytes before a file's sound: covers, playlists, notes
INDEX_LOOK: Final = 64 * 1024  # bytes to search for the index of an m4a stream
FIRST_LOOK: Final = 2048  # bytes for FFmpeg to guess the content of a stream without a header

FULL_SCALE: Final = 32768.0  # full scale of 16-bit samples
LOUDEST: Final = 16.0  # multiple of full scale that louder floats are clipped to before resampling: 24 dB above it
