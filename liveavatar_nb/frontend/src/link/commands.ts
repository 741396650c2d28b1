/** What a page asks of Python: one table, which `tests/contract/test_page_contract.py` holds against Python's own. */
import type { Nothing, RoomNews, Settings, TraitName } from "../contract";

/** The commands by name, each with the arguments that go with it. */
export interface Commands {
  add_sound: { upload: string; name: string; part: number; parts: number; data: string };
  ask: { text: string };
  /** This page shows the running session. */
  beat: Nothing;
  cancel_recording: { request: string };
  cancel_upload: { upload: string };
  configure: Partial<Settings>;
  /** A packet came to the room that this page is in. */
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
  /** Answered by a message `picture` for each that there is. */
  pictures: { avatar_ids: string[] };
  play: { sound: string };
  push_to_talk: { on: boolean };
  /** A view asks for what is true now. */
  ready: Nothing;
  /** These pictures came. */
  received: { avatar_ids: string[] };
  /** A part of a recording, or why there is none. */
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
  /** A part of a picture, or why there is none. `request`: Python's; empty for the page's own button. */
  snapshot: {
    request: string;
    width: number;
    height: number;
    part: number;
    parts: number;
    data: string;
    problem: string | null;
  };
  /** The notebook's folder is to be looked at again. */
  sounds: Nothing;
  start: { avatar_id: string };
  stop: Nothing;
  stop_elsewhere: Nothing;
  stop_listening: Nothing;
  stop_orphans: Nothing;
  update_context: { context_id: string; prompt: string; opening_text: string };
  /** Answered by the message `voice`. */
  voice: { voice_id: string };
  /** The wire log is looked at. Answered by the messages `wire` and `wire_state`. */
  wire: { since: number };
}

export type CommandName = keyof Commands;
export type Send = <Name extends CommandName>(command: Name, args: Commands[Name]) => void;
/** Whether it was acknowledged. */
export type Ask = <Name extends CommandName>(command: Name, args: Commands[Name]) => Promise<boolean>;

/** A command on its way. */
export interface Command<Name extends CommandName = CommandName> {
  widget: string;
  id: string;
  /** Which page (browser tab) it comes from: a kernel's messages reach all of them. */
  page: string;
  /** Stays the same where the page is reloaded; empty where the browser keeps nothing for it. */
  tab: string;
  command: Name;
  args: Commands[Name];
}

/**
 * Clicks, which a person waits for: each with the traits whose change answers it. Start, Stop and Interrupt need a
 * closer look; `save_wire` is answered by the message `wire_saved`. The other commands are the page's own business.
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
