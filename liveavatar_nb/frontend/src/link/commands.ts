/** The page's commands to Python, which `tests/contract/test_page_contract.py` compares with Python's own. */
import type { Nothing, RoomNews, Settings, TraitName } from "../contract";

/** The commands by name, each with its arguments. */
export interface Commands {
  add_sound: { upload: string; name: string; part: number; parts: number; data: string };
  ask: { text: string };
  /** Reports that this page shows the running session. */
  beat: Nothing;
  cancel_recording: { request: string };
  cancel_upload: { upload: string };
  configure: Partial<Settings>;
  /** A packet arrived in the room that this page is in. */
  data: { session_id: string; topic: string; payload: string };
  dismiss: Nothing;
  dismiss_talk: Nothing;
  dismiss_view: Nothing;
  /** Answered by the message `face`. */
  face: { avatar_id: string };
  interrupt: Nothing;
  /** Answered by the message `room`. */
  join: { session_id: string; take_over: boolean };
  /** Answered by the message `library`. */
  library: Nothing;
  listen: Nothing;
  new_context: { name: string; prompt: string; opening_text: string };
  persona: Nothing;
  pick: { avatar_id: string };
  pick_context: { context_id: string };
  /** Answered by a message `picture` for each picture that exists. */
  pictures: { avatar_ids: string[] };
  play: { sound: string };
  push_to_talk: { on: boolean };
  /** A view asks for the present state. */
  ready: Nothing;
  /** Reports that these pictures have arrived. */
  received: { avatar_ids: string[] };
  /** A part of a recording, or the reason for its absence. */
  recording: {
    request: string;
    part: number;
    data: string;
    is_last: boolean;
    seconds: number;
    problem: string | null;
  };
  reload: Nothing;
  remove_sound: { sound: string };
  room: RoomNews;
  /** Answers the message `room_send`. */
  room_sent: { request: string; ok: boolean; problem: string | null };
  save_wire: { form: "har" | "jsonl" };
  say: { text: string };
  /** A part of a picture, or the reason for its absence. `request` is Python's; empty for the page's own button. */
  snapshot: {
    request: string;
    width: number;
    height: number;
    part: number;
    parts: number;
    data: string;
    problem: string | null;
  };
  /** Reads the notebook's folder again. */
  sounds: Nothing;
  start: { avatar_id: string };
  stop: Nothing;
  stop_elsewhere: Nothing;
  stop_listening: Nothing;
  stop_orphans: Nothing;
  update_context: { context_id: string; prompt: string; opening_text: string };
  /** Answered by the message `voice`. */
  voice: { voice_id: string };
  /** Reports that the wire log is shown. Answered by the messages `wire` and `wire_state`. */
  wire: { since: number };
}

export type CommandName = keyof Commands;
export type Send = <Name extends CommandName>(command: Name, args: Commands[Name]) => void;
/** Sends a command; resolves to whether it was acknowledged. */
export type SendRequest = <Name extends CommandName>(command: Name, args: Commands[Name]) => Promise<boolean>;

/** A command being sent. */
export interface Command<Name extends CommandName = CommandName> {
  widget: string;
  id: string;
  /** The id of the page (browser tab) that sends it; a kernel's messages reach every page. */
  page: string;
  /** Survives a reload of the page; empty if the browser stores nothing for it. */
  tab: string;
  command: Name;
  args: Commands[Name];
}

/**
 * The clicks whose answer a person waits for, each with the traits whose change is the answer. Start, Stop and
 * Interrupt are checked in more detail; `save_wire` is answered by the message `wire_saved`. The page sends all other
 * commands by itself.
 */
export const CLICKS: { readonly [Name in CommandName]?: readonly TraitName[] } = {
  ask: ["speech", "transcript", "talk_problem", "problem"],
  configure: ["settings", "problem"],
  dismiss: ["problem"],
  dismiss_talk: ["talk_problem"],
  interrupt: [],
  listen: ["status", "talk_problem"],
  new_context: ["context", "problem"],
  persona: ["persona", "problem"],
  pick: ["value", "avatar", "problem"],
  pick_context: ["settings", "context", "problem"],
  play: ["speech", "talk_problem", "problem"],
  reload: ["catalogue"],
  remove_sound: ["sounds"],
  save_wire: [],
  say: ["speech", "transcript", "talk_problem", "problem"],
  start: [],
  stop: [],
  stop_elsewhere: ["elsewhere", "problem"],
  stop_listening: ["status", "talk_problem"],
  stop_orphans: ["orphans", "problem"],
  update_context: ["context", "problem"],
};
