/** The state that the panel and the studio show, derived from the traits and pending clicks. Pure. */
import type {
  Abilities,
  AgentState,
  Avatar,
  ContextDetail,
  Elsewhere,
  HearingWay,
  Line,
  Orphan,
  Persona,
  Problem,
  Session,
  Settings,
  Sound,
  SoundLimits,
  Utterance,
} from "../contract";
import { IDLE_LIMIT } from "../limits";
import type { Link } from "../link/link";
import type { Refusal, Upload } from "../link/uploads";
import { isActive, isPickable } from "../words";

export type Status = "idle" | "starting" | "live" | "stopping" | "ended" | "failed" | "gone";

const NOTHING: Abilities = {
  play: false,
  say: false,
  ask: false,
  interrupt: false,
  listen: false,
  push_to_talk: false,
  microphone: false,
};

/** The state of a session's speech. */
export interface Speaking {
  /** null if it is unknown, or the avatar is not there. */
  agent: AgentState | null;
  caption: string | null;
  /** Interrupt was clicked: the speech ends here at once. */
  isHushed: boolean;
  hushWaiting: boolean;
  /** Whether the session is live and can be reached. */
  isOpen: boolean;
  /** What can be sent to it; nothing if it is not live. */
  can: Abilities;
  /** Whether the user is speaking into the microphone. */
  isUserSpeaking: boolean;
}

export interface PanelState {
  speaking: Speaking;
  avatarId: string;
  avatarName: string;
  simulated: boolean;
  service: string;
  session: Session | null;
  status: Status;
  /** performance.now() when the session's record arrived, and when the start began. */
  sessionAt: number;
  startingAt: number | null;
  ticking: boolean;
  phase: Link["phase"];
  restarted: boolean;
  unanswered: boolean;
  waiting: boolean;
  startWaiting: boolean;
  stopWaiting: boolean;
  credits: string | null;
  creditsProblem: string | null;
  settings: Settings;
  persona: Persona;
  /** The picked context in full; null while it is loading, or if none is picked. */
  context: ContextDetail | null;
  problem: Problem | null;
  orphans: readonly Orphan[];
  orphansStopping: boolean;
  elsewhere: readonly Elsewhere[];
  elsewhereStopping: boolean;
  hearing: HearingWay;
  code: string;
  /** Why Start cannot be clicked; null if it can. */
  startBlocked: Blocked | null;
  /** Whether the picked context has unsaved edits, which the next session would not have. */
  isUnsaved: boolean;
}

/** Why Start cannot be clicked, and where to fix that. */
export interface Blocked {
  words: string;
  where: "avatar" | "settings" | null;
}

const STATUS: Record<Session["state"], Status> = {
  created: "starting",
  starting: "starting",
  connecting: "starting",
  connected: "live",
  stopping: "stopping",
  ended: "ended",
  failed: "failed",
};

function statusOf(link: Link, session: Session | null): Status {
  if (link.phase === "gone") return "gone";
  const status = session ? STATUS[session.state] : "idle";
  const underWay = status === "starting" || status === "live";
  if ((underWay || isUnconfirmed(session)) && link.flight("stop")) return "stopping";
  if (!underWay && status !== "stopping" && link.flight("start")) return "starting";
  return status;
}

/** Whether it is over here but not confirmed by the service, so that it may still run and be billed. */
export function isUnconfirmed(session: Session | null): session is Session {
  return session !== null && !session.confirmed && (session.state === "ended" || session.state === "failed");
}

/** Whether a session is starting, live or stopping. */
export function isRunning(status: Status): boolean {
  return status === "starting" || status === "live" || status === "stopping";
}

/** Why nothing can be started now; empty if a start is possible. */
export function blockedBy(link: Link): string {
  switch (link.phase) {
    case "gone":
    case "lost":
      return "Run the cell again";
    case "saved":
      return "Not connected";
    case "interrupted":
      return "Waiting for the kernel";
    default:
      return link.unanswered ? "Not connected" : "";
  }
}

/** The picked avatar's id: from a pending click, or else from Python. */
export function pickedId(link: Link, trait: "avatar" | "value"): string {
  const clicked = link.flight("pick")?.args.avatar_id;
  return clicked ?? link.get(trait);
}

export function panelState(link: Link, avatars: readonly Avatar[]): PanelState {
  const session = link.get("status");
  const settings = settingsOf(link);
  const detail = link.get("context");
  const context = detail && detail.id === settings.context_id ? detail : null;
  const picked = pickedId(link, "avatar");
  const known = avatars.find((avatar) => avatar.id === picked);
  const status = statusOf(link, session);
  return {
    speaking: speaking(link, session, status),
    avatarId: picked,
    avatarName: known?.name ?? link.get("avatar_name"),
    simulated: link.get("simulated"),
    service: link.get("service"),
    session,
    status,
    sessionAt: link.sessionAt,
    startingAt: link.startingAt,
    ticking: link.ticking,
    phase: link.phase,
    restarted: link.restarted,
    unanswered: link.unanswered,
    waiting: link.waiting,
    startWaiting: link.flight("start")?.waiting ?? false,
    stopWaiting: link.flight("stop")?.waiting ?? false,
    credits: link.get("credits"),
    creditsProblem: link.get("credits_problem"),
    settings,
    persona: link.get("persona"),
    context,
    problem: link.flight("dismiss") ? null : link.get("problem"),
    orphans: link.get("orphans"),
    orphansStopping: link.flight("stop_orphans") !== null,
    elsewhere: link.get("elsewhere"),
    elsewhereStopping: link.flight("stop_elsewhere") !== null,
    hearing: link.get("hearing"),
    code: link.get("code"),
    startBlocked: blockedBy(link)
      ? { words: blockedBy(link), where: null }
      : (avatarBlocked(picked, known, settings, avatars) ?? personaBlocked(known, settings, context)),
    isUnsaved: settings.mode === "FULL" && context !== null && link.drafts.isEdited(context),
  };
}

/** The data for the form of a conversation. */
export function personaOf(link: Link, { settings, persona, context }: PanelState) {
  return {
    settings,
    persona,
    context,
    drafts: link.drafts,
    previews: link.previews,
    isMaking: link.flight("new_context") !== null,
    isSaving: link.flight("update_context") !== null,
  };
}

/** The settings of the next session, including pending clicks. */
export function settingsOf(link: Link): Settings {
  const picked = link.flight("pick_context")?.args.context_id;
  return {
    ...link.get("settings"),
    ...link.flight("configure")?.args,
    ...(picked === undefined ? {} : { context_id: picked }),
  };
}

function speaking(link: Link, session: Session | null, status: Status): Speaking {
  const hush = link.flight("interrupt");
  const isHushed = hush !== null && !hush.waiting;
  const agent = status === "live" ? (session?.agent_state ?? null) : null;
  const isOpen = status === "live" && link.usable;
  const asked = link.flight("ask");
  const isAsked = asked !== null && !asked.waiting;
  return {
    agent:
      isHushed && (agent === "talking" || agent === "thinking")
        ? "idle"
        : isAsked && agent !== null && agent !== "talking"
          ? "thinking"
          : agent,
    caption: isHushed || agent === null ? null : (session?.caption ?? null),
    isHushed,
    hushWaiting: hush?.waiting ?? false,
    isOpen,
    can: status === "live" && session ? session.can : NOTHING,
    isUserSpeaking: isOpen && (session?.user_speaking ?? false),
  };
}

export interface TalkState {
  session: Session | null;
  status: Status;
  speaking: Speaking;
  usable: boolean;
  ticking: boolean;
  sounds: readonly Sound[];
  limits: SoundLimits;
  uploads: readonly Upload[];
  refusal: Refusal | null;
  /** The current utterance, or the one about to start; null if there is none. */
  current: Utterance | null;
  /** The utterances waiting behind it. */
  queue: readonly Utterance[];
  /** The utterance that ended last. */
  last: Utterance | null;
  /** performance.now() when Python sent them. */
  speechAt: number;
  transcript: readonly Line[];
  /** Whether it is a conversation, live or next; otherwise it plays sounds. */
  isConversation: boolean;
  /** Whether text can be spoken; if not, the field says what that needs. */
  canSay: boolean;
  problem: Problem | null;
  /** The sound whose Play was clicked, until Python answers. */
  asked: string | null;
  /** Whether a text is being sent to Python. */
  isSending: boolean;
}

export function talkState(link: Link): TalkState {
  const session = link.get("status");
  const status = statusOf(link, session);
  const spoken = speaking(link, session, status);
  const all = link.get("speech").map((utterance): Utterance =>
    spoken.isHushed && isActive(utterance) ? { ...utterance, state: "interrupted" } : utterance,
  );
  const active = status === "live" ? all.filter(isActive) : [];
  const current =
    active.find((utterance) => utterance.state === "talking") ??
    active.find((utterance) => utterance.state === "sending") ??
    null;
  const asked = link.flight("play")?.args.sound;
  // a widget without settings, as Talk, goes by the last session
  const next = link.find("settings") ? settingsOf(link).mode : session?.mode;
  const isThere = isRunning(status) || status === "gone";
  const isConversation = (isThere && session ? session.mode : next) === "FULL";
  return {
    session,
    status,
    speaking: spoken,
    usable: link.usable && !link.unanswered,
    ticking: link.ticking,
    sounds: link.get("sounds"),
    limits: link.get("sound_limits"),
    uploads: link.uploads.all,
    refusal: link.uploads.refusal,
    current,
    queue: active.filter((utterance) => utterance !== current),
    last: all.filter((utterance) => !isActive(utterance)).at(-1) ?? null,
    speechAt: link.speechAt,
    transcript: link.get("transcript"),
    isConversation,
    canSay: isConversation || link.get("can_say"),
    problem: link.flight("dismiss_talk") ? null : link.get("talk_problem"),
    asked: asked ?? null,
    isSending: link.flight("say") !== null || link.flight("ask") !== null,
  };
}

/** Seconds of an utterance spoken so far; while it talks, counted from Python's last message. */
export function secondsSaid(utterance: Utterance, state: Pick<TalkState, "speechAt" | "ticking">, now: number): number {
  const since = utterance.state === "talking" && state.ticking ? Math.max(0, now - state.speechAt) / 1000 : 0;
  return Math.min(utterance.played + since, utterance.total ?? Infinity);
}

function avatarBlocked(
  picked: string,
  known: Avatar | undefined,
  settings: Settings,
  avatars: readonly Avatar[],
): Blocked | null {
  const where = "avatar";
  if (!picked) return { words: "Pick an avatar first", where };
  if (known && !isPickable(known)) return { words: "This avatar cannot be started", where };
  if (settings.is_sandbox && known && !known.sandbox) {
    const only = avatars.find((avatar) => avatar.sandbox);
    return { words: `The sandbox takes only ${only ? only.name : "its own avatar"}`, where };
  }
  return null;
}

/** A conversation without a context never answers, and an image avatar needs a picked voice. */
function personaBlocked(
  known: Avatar | undefined,
  settings: Settings,
  context: ContextDetail | null,
): Blocked | null {
  const where = "settings";
  if (settings.mode !== "FULL") return null;
  if (!settings.context_id) return { words: "A conversation needs a context", where };
  const empty = context?.variables.find((name) => !settings.dynamic_variables[name]?.trim());
  if (empty !== undefined) return { words: `\${${empty}} has no value`, where };
  if (known?.type === "IMAGE" && !settings.voice_id) return { words: "An image avatar needs a voice", where };
  return null;
}

/** Seconds since the session started; while it runs, counted from Python's last message. */
export function elapsedAt(state: Pick<PanelState, "session" | "sessionAt" | "ticking">, now: number): number {
  const { session, sessionAt, ticking } = state;
  if (!session) return 0;
  const since = ticking && session.running ? Math.max(0, now - sessionAt) / 1000 : 0;
  return session.max_seconds > 0
    ? Math.min(session.elapsed + since, Math.max(session.max_seconds, session.elapsed))
    : session.elapsed + since;
}

/** performance.now() when it began; its clock changes with each whole second since then. */
export function beganAt({ session, sessionAt }: Pick<PanelState, "session" | "sessionAt">): number {
  return sessionAt - (session?.elapsed ?? 0) * 1000;
}

/** Seconds since Python's last message, counted while Python answers. */
function sinceWord(state: PanelState, now: number): number {
  return state.ticking ? Math.max(0, now - state.sessionAt) / 1000 : 0;
}

/** Seconds until the service ends a session without keep-alives; null if they arrive. */
export function deafLeft(state: PanelState, now: number): number | null {
  const { session } = state;
  if (!session?.degraded || session.keep_alive_age === null) return null;
  return Math.max(0, IDLE_LIMIT - session.keep_alive_age - sinceWord(state, now));
}

/** Seconds until the session is stopped because no page shows it; null if that will not happen. */
export function unwatchedLeft(state: PanelState, now: number): number | null {
  const left = state.session?.unwatched_left ?? null;
  return left === null ? null : Math.max(0, left - sinceWord(state, now));
}

/** Whether to warn: in the last minute, or in the last quarter of a session as short as a sandbox's. */
const WARNING_S = 60;

export function isEnding(session: Session, elapsed: number): boolean {
  if (session.max_seconds <= 0) return false;
  const due = Math.min(WARNING_S, session.max_seconds / 4);
  return session.max_seconds - elapsed <= due;
}
