"""Every number of the sound that the service takes, and of what is read to make it."""

from __future__ import annotations

from typing import Final

SAMPLE_RATE: Final = 24_000  # Hz: the only rate that `agent.speak` takes
SAMPLE_BYTES: Final = 2  # 16 bit, signed, little-endian, mono
PIECE_BYTES: Final = SAMPLE_RATE * SAMPLE_BYTES  # of one piece that is handed out: 1 s

LOWEST_RATE: Final = 1_000  # Hz
HIGHEST_RATE: Final = 768_000  # Hz
MOST_CHANNELS: Final = 256
PLAUSIBLE_CHANNELS: Final = 8  # with more than these, and fewer rows than columns, an array is taken for transposed

BLOCK_SECONDS: Final = 2  # of sound that are read and resampled at once, where so much is there
BLOCK_BYTES: Final = 1024 * 1024  # of it at most
READ_BYTES: Final = 64 * 1024  # of a coded file or a stream that are asked for at once
SNIFF_BYTES: Final = 32  # that tell what a file is
HEADER_LIMIT: Final = 16 * 1024 * 1024  # bytes before the sound of a file: covers, playlists, notes
INDEX_LOOK: Final = 64 * 1024  # bytes in which the index of an m4a is looked for where one cannot go back
FIRST_LOOK: Final = 2048  # bytes from which FFmpeg guesses what a stream without a header holds

FULL_SCALE: Final = 32768.0  # of 16 bit
LOUDEST: Final = 16.0  # times full scale (24 dB above): a float beyond is brought down to it before resampling
