/** The contract between Python and the page. Only Python writes the traits; the page only sends commands. */

/** An object without fields. */
export type Nothing = Record<string, never>;

export interface Avatar {
  id: string;
  name: string;
  /** "VIDEO", "IMAGE", or a type that a newer service adds. */
  type: string;
  /** "ACTIVE", "INIT", "DEPLOYING", "FAILED", or a status that a newer service adds. */
  status: string;
  mine: boolean;
  sandbox: boolean;
  is_expired: boolean;
  picture: Picture | null;
  /** The reason if it failed. */
  error_message: string | null;
}

/** An address that the page can reach, or bytes that it requests with the command `pictures`. */
export type Picture = { url: string } | { bytes: true };

export interface Problem {
  kind: string;
  title: string;
  detail: string;
  remedy: string;
  severity: "error" | "warning" | "info";
  action: Action | null;
}

/** A remedy, as a button that sends a command. */
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
  /** Seconds at the moment this record was sent; the page goes on counting while `running`. */
  elapsed: number;
  running: boolean;
  /** Seconds after which the service ends the session. */
  max_seconds: number;
  /** That moment, in seconds since the epoch; null before the start. */
  cap_at: number | null;
  credits_used: number | null;
  /** Seconds since the last keep-alive at the moment this record was sent. */
  keep_alive_age: number | null;
  /** Whether three keep-alives in a row have failed. */
  degraded: boolean;
  /** The interval in seconds at which a page reports that it shows the session; null if it need not. */
  beat_every: number | null;
  /** Seconds until it is stopped because no page shows it; null if that will not happen. */
  unwatched_left: number | null;
  /** The avatar's activity; null if it is unknown, or the avatar is not there. */
  agent_state: AgentState | null;
  /** The words being spoken. */
  caption: string | null;
  end_words: string | null;
  /** Whether the service has confirmed that nothing is running. */
  confirmed: boolean;
  /** null until the start call has been answered. */
  room: RoomFacts | null;
  /** What can be sent to it now. */
  can: Abilities;
  /** Whether the user is speaking into the microphone (FULL). */
  user_speaking: boolean;
}

/** `thinking`: it was asked something and has not started to answer (FULL). */
export type AgentState = "idle" | "listening" | "thinking" | "talking";

/**
 * The avatar's room. `livekit`: the page joins it, with an address and a token that it requests with the command
 * `join`. `drawn`: there is no media server, and the page draws the face itself.
 */
export interface RoomFacts {
  kind: "livekit" | "drawn";
  /** A message about the room, for example why it cannot be reached. */
  words: string | null;
}

export interface Abilities {
  play: boolean;
  say: boolean;
  ask: boolean;
  interrupt: boolean;
  listen: boolean;
  /** Whether a button marks the user's turn (interactivity PUSH_TO_TALK). */
  push_to_talk: boolean;
  /** Whether the avatar can hear the page's microphone. */
  microphone: boolean;
}

/** A sound on offer. */
export interface Sound {
  id: string;
  name: string;
  origin: "given" | "dropped" | "folder" | "tone";
  /** Its length in seconds; null if it is unknown. */
  seconds: number | null;
}

export interface SoundLimits {
  /** Endings of the files that Python can read. */
  endings: string[];
  /** The largest size in bytes of a dropped file, and of the parts in which it is sent. */
  bytes: number;
  part: number;
}

export type UtteranceState = "queued" | "sending" | "talking" | "ended" | "interrupted" | "failed";

export interface Utterance {
  id: string;
  /** The sound it came from, if a click played one. */
  sound: string | null;
  name: string;
  text: string | null;
  state: UtteranceState;
  /** Its length in seconds; null while it is unknown. */
  total: number | null;
  /** Seconds spoken at the moment this record was sent; the page goes on counting while the avatar talks. */
  played: number;
  /** Warnings about the sound. */
  notes: string[];
  problem: Problem | null;
}

export interface Line {
  /** "avatar" or "user". */
  role: string;
  text: string;
  /** Whether more of the line may come. */
  partial: boolean;
}

/** A message on the wire; a later row with the same `seq` replaces the earlier one. */
export interface WireRow {
  seq: number;
  change: number;
  /** Seconds since the epoch. */
  at: number;
  kind: "rest" | "websocket" | "data";
  direction: "sent" | "received";
  name: string;
  /** The status, or another short note. */
  note: string;
  ms: number | null;
  size: number | null;
  payload: string | null;
  curl: string | null;
  python: string | null;
}

/** Statistics over several sessions, in seconds. */
export interface Timing {
  step: string;
  count: number;
  p50: number;
  p95: number;
}

/** A session that a dead kernel left running. */
export interface Orphan {
  id: string;
  /** For how long it had been running when it was found. */
  minutes: number;
}

/** A running session of another client in the same process. */
export interface Elsewhere {
  id: string;
  avatar_name: string;
  /** For how long it had been running at the last refresh. */
  minutes: number;
  is_watched: boolean;
  /** Seconds until it is stopped because no page shows it. */
  left: number | null;
}

/**
 * Whether Python notices that this page was closed. prompt: always; held_up: not while a cell runs, which delays the
 * page's messages; unknown: the delays are unknown. Empty: nothing heard yet.
 */
export type HearingWay = "" | "prompt" | "held_up" | "unknown";

export type Mode = "FULL" | "LITE";

export interface Settings {
  mode: Mode;
  is_sandbox: boolean;
  video_quality: "very_high" | "high" | "medium" | "low";
  video_encoding: "VP8" | "H264";
  max_minutes: number;
  /** FULL. Empty if none is picked. */
  context_id: string;
  /** FULL. Empty for the avatar's own. */
  voice_id: string;
  language: string;
  interactivity_type: "CONVERSATIONAL" | "PUSH_TO_TALK";
  /** FULL: the values for the context's ${names}. */
  dynamic_variables: Record<string, string>;
}

/** The choices for a conversation; requested with the command `persona`. */
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
  /** Whether it is created for the next session, and deleted with it. */
  is_new: boolean;
}

/** The picked context in full; null while it is loading, or if none is picked. */
export interface ContextDetail {
  id: string;
  name: string;
  prompt: string;
  opening_text: string;
  /** The ${names} that need a value. */
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
  /** A path next to the notebook; null for a snapshot that went only to Python. */
  path: string | null;
  /** The length of a recording in seconds, and its size in bytes. */
  seconds: number | null;
  bytes: number | null;
}

/** A page's state in the room, sent with the command `room`. */
export interface RoomNews {
  session_id: string;
  state: "joining" | "joined" | "reconnecting" | "left" | "unreachable" | "replaced";
  /** The reason to show, if any. */
  reason: string | null;
  /** Whether the avatar's video track is there. */
  avatar: boolean;
}

/**
 * The answer to the command `join {session_id, take_over}`; a page that shows a session from its start gets it without
 * asking. `url` is null if the page must not join; then `reason` says why. With `can_take_over` another page has the
 * room, and `join` with `take_over: true` takes its place.
 */
export interface RoomAnswer {
  type: "room";
  session_id: string;
  url: string | null;
  token: string | null;
  /** The avatar's identity in the room; null if there is no `url`. */
  avatar_identity: string | null;
  reason: string | null;
  can_take_over: boolean;
}

/**
 * Python's custom messages; a picture has one buffer. A message with a `page` is for that page alone: `room`,
 * `room_send`, `room_leave`, `snapshot`, `record`, `record_stop` and `sound` have one. The link drops those for others.
 */
export type Message = { page?: string } & Sent;

type Sent =
  | { type: "ack"; id: string }
  | { type: "picture"; avatar_id: string; media_type: string }
  /** Python has finished with an upload, successfully or not. */
  | { type: "upload"; upload: string }
  | { type: "wire"; rows: WireRow[] }
  /** Sent after the rows up to this change. */
  | { type: "wire_state"; change: number; timings: Timing[]; dropped: number }
  | { type: "wire_saved"; path?: string; problem?: Problem }
  | RoomAnswer
  /** A packet to send into the room (topic `agent-control`); answered by the command `room_sent`. */
  | { type: "room_send"; session_id: string; request: string; payload: string }
  /** Leave the room, because another participant takes over or the session is over. */
  | { type: "room_leave"; session_id: string; reason: string }
  /** Take a snapshot; answered by the command `snapshot`. */
  | { type: "snapshot"; request: string }
  /** Start a recording; its parts are sent with the command `recording`. */
  | { type: "record"; request: string; seconds: number; bytes: number }
  | { type: "record_stop"; request: string }
  /** livekit-client and the code that uses it, as an ES module's text in one buffer; answers `library`. */
  | { type: "library" }
  /** Pictures of a drawn face, one per buffer: the mouth from closed to wide open, then closed eyes; or none. */
  | { type: "face"; avatar_id: string; media_type: string }
  /** Speech in a drawn room: raw PCM, 16-bit, mono, 24,000 Hz, in one buffer; `hush`: drop what is queued. */
  | { type: "sound"; session_id: string; hush?: boolean }
  /** A voice's preview, in one buffer. */
  | { type: "voice"; voice_id: string; media_type: string; problem?: Problem };

/** Python's traits, by name. */
export interface Traits {
  widget_id: string;
  avatars: Avatar[];
  catalogue: Catalogue;
  /** The picked avatar's id, in a widget with a gallery. */
  value: string;
  /** The id of the avatar for the next session. */
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
  /** Whether the client has a `tts`. */
  can_say: boolean;
  talk_problem: Problem | null;
  /** The still of the avatar on the stage, or of the one that would be. */
  still: Still | null;
  view_problem: Problem | null;
  /** The snapshot or recording saved last. */
  saved: Saved | null;
}

export type TraitName = keyof Traits;

/** The traits of each widget, besides `widget_id`. */
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
