"""The audio format that the service accepts, and the limits for reading and converting audio."""

from __future__ import annotations

from typing import Final

SAMPLE_RATE: Final = 24_000  # Hz: the only rate that `agent.speak` accepts
SAMPLE_BYTES: Final = 2  # 16 bits, signed, little-endian, mono
PIECE_BYTES: Final = SAMPLE_RATE * SAMPLE_BYTES  # bytes of the largest output piece: 1 s

LOWEST_RATE: Final = 1_000  # Hz
HIGHEST_RATE: Final = 768_000  # Hz
MOST_CHANNELS: Final = 256
PLAUSIBLE_CHANNELS: Final = 8  # an array with more columns than this, and fewer rows than columns, is likely transposed

BLOCK_SECONDS: Final = 2  # s of sound to read and resample at once, if available
BLOCK_BYTES: Final = 1024 * 1024  # bytes, the largest block
READ_BYTES: Final = 64 * 1024  # bytes to read at once from an encoded file or a stream
SNIFF_BYTES: Final = 32  # bytes needed to recognise a file
HEADER_LIMIT: Final = 16 * 1024 * 1024  # bytes that may come before a file's sound: covers, playlists, notes
INDEX_LOOK: Final = 64 * 1024  # bytes to search for the index of an m4a that comes as a stream
FIRST_LOOK: Final = 2048  # bytes that FFmpeg gets to guess the content of a stream without a header

FULL_SCALE: Final = 32768.0  # of 16 bits
LOUDEST: Final = 16.0  # times full scale (24 dB above it): louder floats are clipped to this before resampling
