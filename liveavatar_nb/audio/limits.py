"""The audio format that the service accepts, and the limits for reading and converting audio."""

from __future__ import annotations

from typing import Final

SAMPLE_RATE: Final = 24_000  # Hz; the only rate that `agent.speak` accepts
SAMPLE_BYTES: Final = 2  # bytes per sample; the format is signed 16-bit little-endian mono
PIECE_BYTES: Final = SAMPLE_RATE * SAMPLE_BYTES  # maximum bytes per output piece, i.e. 1 s of sound

LOWEST_RATE: Final = 1_000  # Hz
HIGHEST_RATE: Final = 768_000  # Hz
MOST_CHANNELS: Final = 256
# an array with more columns than this, and with fewer rows than columns, is probably transposed
PLAUSIBLE_CHANNELS: Final = 8

BLOCK_SECONDS: Final = 2  # maximum seconds of sound to read and resample at a time
BLOCK_BYTES: Final = 1024 * 1024  # maximum bytes per block
READ_BYTES: Final = 64 * 1024  # bytes to read at a time from an encoded file or a stream
SNIFF_BYTES: Final = 32  # bytes needed to recognise a file's type
# maximum bytes of cover art, playlists, notes and other data that may precede the sound in a file
HEADER_LIMIT: Final = 16 * 1024 * 1024
INDEX_LOOK: Final = 64 * 1024  # how many bytes of an m4a stream to search for its index
FIRST_LOOK: Final = 2048  # how many bytes FFmpeg may examine to guess the format of a stream without a header

FULL_SCALE: Final = 32768.0  # full scale of 16-bit samples
LOUDEST: Final = 16.0  # floats louder than this multiple of full scale (24 dB) are clipped before resampling
