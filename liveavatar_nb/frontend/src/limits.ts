/** Facts that Python has, too: `tests/contract/test_page_contract.py` holds each equal to Python's own. */

/** Of each mode. */
export const CREDITS_PER_MINUTE = { FULL: 2, LITE: 1 };
/** A sandbox session's life. */
export const SANDBOX_SECONDS = 60;
/** The service ends a session so many seconds after the last sign of life. */
export const IDLE_LIMIT = 300;

/** Characters that Python takes: of a text that is said or asked, and of what a conversation is started with. */
export const LONGEST_TEXT = 2000;
export const LONGEST_CONTEXT_NAME = 200;
export const LONGEST_PROMPT = 100_000;
export const LONGEST_OPENING = 10_000;
export const LONGEST_VALUE = 1000;

/** Bytes of a picture or a recording that come in one message: 256 kB as base64. */
export const PART_BYTES = 192 * 1024;
/** Of a recording that the page's own button begins; a megabyte is 2 ** 20 bytes. */
export const CLICKED_SECONDS = 600;
export const CLICKED_MEGABYTES = 200;

/** Of the sound that Python sends, in Hz. */
export const SAMPLE_RATE = 24_000;

/** Rows that the wire log keeps. */
export const WIRE_ENTRIES = 10_000;
/** Seconds for which a page is told what is new on the wire after it asked. */
export const WATCHED = 30;
/** Seconds for which Python expects a page that it told the way into a room. */
export const HOLDER_LIMIT = 5;
