/** What Python and the page say to each other. All traits are written by Python; the page only sends commands. */

/** An object without fields. */
export type Nothing = Record<string, never>;

export interface Avatar {
  id: string;
  name: string;
  /** "VIDEO", "IMAGE", or a kind that a newer service has. */
  type: string;
  /** "ACTIVE", "INIT", "DEPLOYING", "FAILED", or one that a newer service has. */
  status: string;
  mine: boolean;
  sandbox: boolean;
  is_expired: boolean;
  picture: Picture | null;
  /** Why it failed, where it did. */
  error_message: string | null;
}

/** An address that the page can reach, or bytes that it asks for with the command `pictures`. */
export type Picture = { url: string } | { bytes: true };

export interface Problem {
  kind: string;
  title: string;
  detail: string;
  remedy: string;
  severity: "error" | "warning" | "info";
  action: Action | null;
}

/** What helps, as a button that sends a command. */
export type Action = { label: string } & (
  | { command: "configure"; args: { is_sandbox: boolean } }
  | { command: "stop_orphans"; args: Nothing }
);

export interface Catalogue {
  state: "loading" | "ready" | "failed";
  problem: Problem | null;
}

export type SessionState =
  | "created"
  | "starting"
  | "connecting"
  | "connected"
  | "stopping"
  | "ended"
  | "failed";

export interface Session {
  id: string;
  avatar_id: string;
  avatar_name: string;
  mode: Mode;
  is_sandbox: boolean;
  state: SessionState;
  steps: { name: string; words: string; done: boolean }[];
  billing: boolean;
  /** Seconds, as of the moment this record was sent; the page counts on while `running`. */
  elapsed: number;
  running: boolean;
  /** Seconds after which the service ends it. */
  max_seconds: number;
  /** When that is, in seconds since the epoch; null before the start. */
  cap_at: number | null;
  credits_per_minute: number;
  credits_used: number | null;
  /** Seconds since the last keep-alive, as of the moment this record was sent. */
  keep_alive_age: number | null;
  /** Three keep-alives in a row did not arrive. */
  degraded: boolean;
  /** Seconds after which a page that shows it is to say so again; null where it need not. */
  beat_every: number | null;
  /** Seconds until it is stopped because no page shows it; null where that is no matter. */
  unwatched_left: number | null;
  /** What the avatar does; null where that is not known, or it is not there. */
  agent_state: AgentState | null;
  /** The words that are being said. */
  caption: string | null;
  end_words: string | null;
  /** The service confirmed that nothing is running. */
  confirmed: boolean;
  /** null until the start call answered. */
  room: RoomFacts | null;
  /** What it can be told now. */
  can: Abilities;
  /** The user's microphone is heard speaking (FULL). */
  user_speaking: boolean;
}

/** `thinking`: it was asked something and has not begun to answer (FULL). */
export type AgentState = "idle" | "listening" | "thinking" | "talking";

/**
 * The room that the avatar is in. `livekit`: the page joins it, with an address and a token that it asks for by the
 * command `join`. `drawn`: there is no media server; the page draws the face by itself.
 */
export interface RoomFacts {
  kind: "livekit" | "drawn";
  /** Who is in it for this session: a page, the kernel's process, or nobody. */
  held_by: "page" | "process" | null;
  /** The avatar's video was seen by who holds it. */
  avatar: boolean;
  /** The user's own room: any number may watch, each with a token of its own. */
  is_own: boolean;
  /** What is to be said of it, as why it cannot be reached. */
  words: string | null;
}

export interface Abilities {
  play: boolean;
  say: boolean;
  ask: boolean;
  interrupt: boolean;
  listen: boolean;
  /** The user's turn is told by a button (interactivity PUSH_TO_TALK). */
  push_to_talk: boolean;
  /** A microphone of the page is heard by the avatar. */
  microphone: boolean;
}

/** A sound on offer. */
export interface Sound {
  id: string;
  name: string;
  origin: "given" | "dropped" | "folder" | "tone";
  /** Its length, where that is known. */
  seconds: number | null;
}

export interface SoundLimits {
  /** Endings of the files that can be read. */
  endings: string[];
  /** Of one dropped file, and of the parts that it is sent in. */
  bytes: number;
  part: number;
}

export type UtteranceState = "queued" | "sending" | "talking" | "ended" | "interrupted" | "failed";

export interface Utterance {
  id: string;
  /** The sound that it came from, where a click had it said. */
  sound: string | null;
  name: string;
  text: string | null;
  state: UtteranceState;
  /** Seconds; null while its length is not known. */
  total: number | null;
  /** Seconds said, as of the moment this record was sent; the page counts on while it talks. */
  played: number;
  /** What was amiss with the sound. */
  notes: string[];
  problem: Problem | null;
}

export interface Line {
  /** "avatar" or "user". */
  role: string;
  text: string;
  /** More of it may come. */
  partial: boolean;
}

/** One message on the wire; one that comes again with the same `seq` replaces the first. */
export interface WireRow {
  seq: number;
  change: number;
  /** Seconds since the epoch. */
  at: number;
  kind: "rest" | "websocket" | "data";
  direction: "sent" | "received";
  name: string;
  /** The status, or what else there is to say in a word. */
  note: string;
  ms: number | null;
  size: number | null;
  payload: string | null;
  curl: string | null;
  python: string | null;
  session_id: string | null;
}

/** Over several sessions; seconds. */
export interface Timing {
  step: string;
  count: number;
  p50: number;
  p95: number;
}

/** A session that a dead kernel left, and that runs on. */
export interface Orphan {
  id: string;
  mode: string;
  /** Seconds since the epoch. */
  started: number;
  /** How long it ran when it was found. */
  minutes: number;
  words: string;
}

/** A session that another client of the same process started, and that runs. */
export interface Elsewhere {
  id: string;
  avatar_name: string;
  /** How long it ran when it was looked at. */
  minutes: number;
  is_watched: boolean;
  /** Seconds until it is stopped because no page shows it. */
  left: number | null;
}

/**
 * Whether Python misses this page when it is closed. prompt: always; held_up: a running cell holds up the page's words;
 * unknown: it does not know what does. Empty: not heard yet.
 */
export type HearingWay = "" | "prompt" | "held_up" | "unknown";

export type Mode = "FULL" | "LITE";

export interface Settings {
  mode: Mode;
  is_sandbox: boolean;
  video_quality: "very_high" | "high" | "medium" | "low";
  video_encoding: "VP8" | "H264";
  max_minutes: number;
  /** FULL. Empty where none is picked. */
  context_id: string;
  /** FULL. Empty for the avatar's own. */
  voice_id: string;
  language: string;
  interactivity_type: "CONVERSATIONAL" | "PUSH_TO_TALK";
  /** FULL: what the context's {{names}} stand for. */
  dynamic_variables: Record<string, string>;
}

/** What a conversation can be started with; asked for by the command `persona`. */
export interface Persona {
  state: "none" | "loading" | "ready" | "failed";
  problem: Problem | null;
  contexts: ContextName[];
  voices: Voice[];
  languages: { code: string; name: string }[];
}

export interface ContextName {
  id: string;
  name: string;
  /** Made for the next session, and deleted with it. */
  is_new: boolean;
}

/** The picked context in full; null while it is read, or none is picked. */
export interface ContextDetail {
  id: string;
  name: string;
  prompt: string;
  opening_text: string;
  /** {{names}} that must be filled in. */
  variables: string[];
}

export interface Voice {
  id: string;
  name: string;
  language: string;
  gender: string;
}

export interface Still {
  avatar_id: string;
  name: string;
  picture: Picture | null;
}

export interface Saved {
  kind: "snapshot" | "recording";
  /** Beside the notebook; null for a snapshot that went to Python alone. */
  path: string | null;
  /** Seconds and bytes of a recording. */
  seconds: number | null;
  bytes: number | null;
}

/** What a page tells of the room that it is in, by the command `room`. */
export interface RoomNews {
  session_id: string;
  state: "joining" | "joined" | "reconnecting" | "left" | "unreachable" | "replaced";
  /** In words, where there is something to say. */
  reason: string | null;
  /** The avatar's video track is there. */
  avatar: boolean;
}

/**
 * Answers the command `join {session_id, take_over}`; a page that shows a session from its start is sent it unasked.
 * `url` is null where the page is not to join: then `reason` says why. With `can_take_over` another page has the room,
 * and `join` with `take_over: true` takes its place.
 */
export interface RoomAnswer {
  type: "room";
  session_id: string;
  url: string | null;
  token: string | null;
  /** Who the avatar is in the room; null where there is no `url`. */
  avatar_identity: string | null;
  reason: string | null;
  can_take_over: boolean;
}

/**
 * Python's custom messages; a picture comes with one buffer. One with a `page` is for that page alone: `room`,
 * `room_send`, `room_leave`, `snapshot`, `record`, `record_stop` and `sound` have it; the link drops those of others.
 */
export type Message = { page?: string } & Sent;

type Sent =
  | { type: "ack"; id: string }
  | { type: "picture"; avatar_id: string; media_type: string }
  /** Python is done with an upload, well or not. */
  | { type: "upload"; upload: string }
  | { type: "wire"; rows: WireRow[] }
  /** It comes after the rows up to this change. */
  | { type: "wire_state"; change: number; timings: Timing[]; dropped: number }
  | { type: "wire_saved"; path?: string; problem?: Problem }
  | RoomAnswer
  /** To be sent into the room (topic `agent-control`); answered by the command `room_sent`. */
  | { type: "room_send"; session_id: string; request: string; payload: string }
  /** Leave the room: another holder takes over, or the session is over. */
  | { type: "room_leave"; session_id: string; reason: string }
  /** Take a picture of what is shown; answered by the command `snapshot`. */
  | { type: "snapshot"; request: string }
  /** Begin a recording; its parts come by the command `recording`. */
  | { type: "record"; request: string; seconds: number; bytes: number }
  | { type: "record_stop"; request: string }
  /** livekit-client and what uses it: the text of an ES module, in one buffer; answers the command `library`. */
  | { type: "library" }
  /** Pictures of a drawn face, one a buffer: the mouth from closed to wide open, then the eyes closed; or none. */
  | { type: "face"; avatar_id: string; media_type: string }
  /** What the avatar says in a drawn room: raw PCM, 16-bit, mono, 24,000 Hz, in one buffer; `hush`: forget the rest. */
  | { type: "sound"; session_id: string; hush?: boolean }
  /** A voice's sound, in one buffer. */
  | { type: "voice"; voice_id: string; media_type: string; problem?: Problem };

/** What Python shows of itself, by the name of the trait. */
export interface Traits {
  widget_id: string;
  avatars: Avatar[];
  catalogue: Catalogue;
  /** The picked avatar's id, in a widget that has the gallery. */
  value: string;
  /** The id of the avatar that the next session is started with. */
  avatar: string;
  avatar_name: string;
  simulated: boolean;
  service: string;
  status: Session | null;
  /** Decimal text. */
  credits: string | null;
  credits_problem: string | null;
  settings: Settings;
  persona: Persona;
  context: ContextDetail | null;
  problem: Problem | null;
  orphans: Orphan[];
  elsewhere: Elsewhere[];
  hearing: HearingWay;
  code: string;
  sounds: Sound[];
  sound_limits: SoundLimits;
  /** Oldest first. */
  speech: Utterance[];
  transcript: Line[];
  /** The client has a `tts`. */
  can_say: boolean;
  talk_problem: Problem | null;
  /** The still of the avatar that is, or would be, on the stage. */
  still: Still | null;
  view_problem: Problem | null;
  /** What was saved last, for its words: a snapshot or a recording. */
  saved: Saved | null;
}

export type TraitName = keyof Traits;

/** The traits of each widget, beside `widget_id`. */
export const PICKER_TRAITS = ["avatars", "catalogue", "value"] as const satisfies TraitName[];
export const PANEL_TRAITS = [
  "avatar",
  "avatar_name",
  "simulated",
  "service",
  "status",
  "credits",
  "credits_problem",
  "settings",
  "persona",
  "context",
  "problem",
  "orphans",
  "elsewhere",
  "hearing",
  "code",
] as const satisfies TraitName[];
export const TALK_TRAITS = [
  "simulated",
  "status",
  "sounds",
  "sound_limits",
  "speech",
  "transcript",
  "can_say",
  "talk_problem",
] as const satisfies TraitName[];
export const VIEW_TRAITS = [
  "simulated",
  "status",
  "still",
  "view_problem",
  "saved",
] as const satisfies TraitName[];
