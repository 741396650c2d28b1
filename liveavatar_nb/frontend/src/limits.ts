/** Constants shared with Python: `tests/contract/test_page_contract.py` checks that they are equal. */

/** The credits per minute in each mode. */
export const CREDITS_PER_MINUTE = { FULL: 2, LITE: 1 };
/** The length of a sandbox session. */
export const SANDBOX_SECONDS = 60;
/** The service ends a session this many seconds after the last sign of life. */
export const IDLE_LIMIT = 300;

/** The most characters that Python accepts: in a text to say or ask, and in the fields of a conversation. */
export const LONGEST_TEXT = 2000;
export const LONGEST_CONTEXT_NAME = 200;
export const LONGEST_PROMPT = 100_000;
export const LONGEST_OPENING = 10_000;
export const LONGEST_VALUE = 1000;

/** Bytes of a picture or a recording in one message: 256 kB as base64. */
export const PART_BYTES = 192 * 1024;
/** The limits of a recording that the page's own button starts; a megabyte is 2 ** 20 bytes. */
export const CLICKED_SECONDS = 600;
export const CLICKED_MEGABYTES = 200;

/** The sample rate of the sound that Python sends, in Hz. */
export const SAMPLE_RATE = 24_000;

/** The number of rows that the wire log keeps. */
export const WIRE_ENTRIES = 10_000;
/** Seconds for which a page gets new rows of the wire log after its request. */
export const WATCHED = 30;
/** Seconds for which Python expects a page after it has sent the room's address. */
export const HOLDER_LIMIT = 5;
