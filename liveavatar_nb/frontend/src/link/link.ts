/**
 * The tie between one model and the Python behind it: sends commands by the best way there is, counts
 * their acknowledgements, and knows whether anybody is there at all.
 */
import type { AnyModel } from "@anywidget/types";
import { ControlChannel } from "./channel";
import { CLICKS, type Command, type CommandName, type Commands } from "./commands";
import type { Message, Session, TraitName, Traits } from "../contract";
import { Drafts } from "./drafts";
import { type Kernel, isPast, kernelOf } from "./kernel";
import { Pictures } from "./pictures";
import { shared } from "../shared";
import { Previews } from "./previews";
import { Uploads } from "./uploads";
import { isActive } from "../words";
import { WireRows } from "./wirerows";

/** An ordinary message that is not acknowledged by then waits for a running cell. */
export const ORDINARY_ACK_MS = 500;
/** A message on the control channel that is not acknowledged by then goes the ordinary way as well. */
export const CONTROL_ACK_MS = 2000;
/** Silence of a kernel that has nothing else to do, after which it no longer knows this widget. */
export const SILENCE_MS = 10_000;
/**
 * How often it is looked whether a running session is due to hear that a page shows it, and how a silent kernel is: two
 * idle looks in a row are a verdict.
 */
const LOOK_MS = 1000;
/** An acknowledged click that changes nothing keeps its button busy for this long. */
const GRACE_MS = 3000;
/** Where the host tells nothing of its kernel, a running session that is silent so long is asked after. */
const PULSE_MS = 20_000;
/** A word that a page shows a session is said anew where it was not heard for so many times its interval. */
const BEAT_PATIENCE = 2;

/**
 * connecting: nothing heard yet; live: heard; interrupted: the way to the kernel is down for now;
 * lost: the kernel is there and does not know this widget; gone: the kernel that made it is no more;
 * saved: a page without any kernel.
 */
export type Phase = "connecting" | "live" | "interrupted" | "lost" | "gone" | "saved";

const FINAL = new Set<Session["state"]>(["ended", "failed"]);

function isBusy(session: Session | null | undefined): boolean {
  return session?.agent_state === "talking" || session?.agent_state === "thinking";
}

type Hearer = (message: Message, buffers: readonly (DataView | ArrayBuffer)[]) => void;

interface Flight<Name extends CommandName = CommandName> extends Command<Name> {
  acked: boolean;
  /** Unacknowledged on the ordinary way: it waits for the running cell. */
  waiting: boolean;
  timers: Set<ReturnType<typeof setTimeout>>;
  sessionId: string | undefined;
  problem: unknown;
  /** Called once: whether it was acknowledged, or nobody is there to do so. */
  onSettled: ((acked: boolean) => void) | undefined;
}

function newId(): string {
  // crypto.randomUUID is missing on pages that are no secure context (a hub by http).
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

/** Who is told what goes over the links of a page, whichever of its widgets they are of. */
export interface Observer {
  /** An interruption of the session is about to be sent. */
  onInterrupt(sessionId: string): void;
  /** The session's record changed. */
  onSession(session: Session): void;
  /** Python said something to this page, by the model of `link`. */
  onMessage(message: Message, buffers: readonly (DataView | ArrayBuffer)[], link: Link): void;
}

export const observers = shared("observers", () => new Set<Observer>());

/** This browser page, whichever widget of it sends. */
const PAGE = shared("page", newId);

/** This tab of the browser: a page that is reloaded finds its name again. */
function tabId(): string {
  const key = "liveavatar_nb.tab";
  try {
    const known = sessionStorage.getItem(key) ?? newId();
    sessionStorage.setItem(key, known);
    return known;
  } catch {
    return ""; // a page that may keep nothing
  }
}

/** Exports by nbconvert and Sphinx keep the widgets' state in the page itself, and have no kernel. */
function isSavedPage(): boolean {
  return document.querySelector('script[type="application/vnd.jupyter.widget-state+json"]') !== null;
}

function wordOf({ widget, id, page, tab, command, args }: Flight): Command {
  return { widget, id, page, tab, command, args };
}

export class Link {
  phase: Phase = "connecting";
  /** Whether the kernel behind this widget was restarted, as against shut down or lost. */
  restarted = false;
  readonly pictures: Pictures;
  readonly uploads: Uploads;
  readonly wire: WireRows;
  readonly drafts: Drafts;
  readonly previews: Previews;
  /** performance.now() at which the session's record came. */
  sessionAt = performance.now();
  /** performance.now() at which the utterances came. */
  speechAt = performance.now();
  /** performance.now() at which this page first saw the session being started, or its click. */
  startingAt: number | null = null;
  private readonly kernel: Kernel | null;
  private readonly listeners = new Set<() => void>();
  private readonly slots = new Map<string, () => void>();
  private readonly flights = new Map<string, Flight>();
  private readonly hearers = new Map<Hearer, () => void>();
  private isClosed = false;
  private channel: ControlChannel | null = null;
  private heardAt = performance.now();
  private wasDown = false;
  private pulse: ReturnType<typeof setInterval> | undefined;
  private beatAt = -Infinity;

  constructor(
    private readonly model: AnyModel,
    traits: readonly TraitName[],
  ) {
    this.pictures = new Pictures(
      (command, args) => this.send(command, args),
      () => this.notify(),
    );
    this.uploads = new Uploads(
      (command, args) => this.request(command, args),
      () => this.get("sound_limits"),
      () => this.notify(),
    );
    this.wire = new WireRows(
      (command, args) => this.send(command, args),
      () => this.notify(),
    );
    this.drafts = new Drafts(
      (command, args) => this.request(command, args),
      () => this.notify(),
    );
    this.previews = new Previews(
      (command, args) => this.request(command, args),
      () => this.notify(),
    );
    this.kernel = kernelOf(model.widget_manager);
    // By name: marimo's models know no event for all changes together.
    for (const trait of traits) {
      const slot = (): void => this.onChange(trait);
      model.on(`change:${trait}`, slot);
      this.slots.set(`change:${trait}`, slot);
    }
    model.on("msg:custom", this.onMessage);
    model.on("comm:close", this.onCommDead);
    // The mark is set before this script runs, so its change always means that the comm is dead.
    model.on("comm_live_update", this.onCommDead);
    this.kernel?.statusChanged.connect(this.onStatus);
    this.kernel?.connectionStatusChanged.connect(this.onConnection);
    this.kernel?.disposed.connect(this.onDisposed);
    if (!this.kernel && isSavedPage()) this.phase = "saved";
    if (this.kernel && (this.kernel.isDisposed || isPast(this.kernel.status))) this.phase = "gone";
    this.trackStart();
  }

  close(): void {
    this.isClosed = true;
    for (const [event, slot] of this.slots) this.model.off(event, slot);
    this.model.off("msg:custom", this.onMessage);
    this.model.off("comm:close", this.onCommDead);
    this.model.off("comm_live_update", this.onCommDead);
    this.kernel?.statusChanged.disconnect(this.onStatus);
    this.kernel?.connectionStatusChanged.disconnect(this.onConnection);
    this.kernel?.disposed.disconnect(this.onDisposed);
    this.uploads.close();
    this.wire.close();
    this.previews.stop();
    this.drain();
    clearInterval(this.pulse);
    this.pictures.close();
  }

  /** A trait that this widget has. */
  get<Name extends TraitName>(trait: Name): Traits[Name] {
    return this.model.get(trait) as Traits[Name];
  }

  /** A trait that this widget may have. */
  find<Name extends TraitName>(trait: Name): Traits[Name] | undefined {
    return this.get(trait);
  }

  /** A view is shown: `changed` is called after each change until the returned function is. */
  attach(changed: () => void): () => void {
    this.listeners.add(changed);
    if (this.listeners.size === 1) {
      if (this.kernel) this.channel = ControlChannel.acquire(this.kernel);
      this.pulse = setInterval(this.onPulse, LOOK_MS);
    }
    this.send("ready", {});
    this.beat();
    return () => {
      this.listeners.delete(changed);
      if (this.listeners.size > 0) return;
      this.channel?.release();
      this.channel = null;
      this.beatAt = -Infinity;
      clearInterval(this.pulse);
    };
  }

  /**
   * `slot` is told of each of Python's messages that is for this page, until the returned function is called;
   * `onGone`: none comes any more.
   */
  hear(slot: Hearer, onGone: () => void = () => undefined): () => void {
    this.hearers.set(slot, onGone);
    return () => this.hearers.delete(slot);
  }

  /** The way to Python is open, as far as this page can tell. */
  get usable(): boolean {
    if (this.isClosed) return false;
    return this.phase === "live" || this.phase === "connecting";
  }

  /** Clocks may run: Python was heard and nothing says that it is gone. */
  get ticking(): boolean {
    return this.phase === "live";
  }

  /** A click waits for the cell that runs. */
  get waiting(): boolean {
    for (const flight of this.flights.values()) if (flight.waiting && flight.command in CLICKS) return true;
    return false;
  }

  /** The newest click of this name that Python has not answered by a change yet. */
  flight<Name extends CommandName>(command: Name): Pick<Flight<Name>, "args" | "waiting"> | null {
    let found: Flight<Name> | null = null;
    for (const flight of this.flights.values()) if (flight.command === command) found = flight as Flight<Name>;
    return found;
  }

  /** Sends a command; whether it was acknowledged, or nobody is there to do so. */
  request<Name extends CommandName>(command: Name, args: Commands[Name]): Promise<boolean> {
    return new Promise((resolve) => this.send(command, args, resolve));
  }

  send<Name extends CommandName>(command: Name, args: Commands[Name], onSettled?: (acked: boolean) => void): void {
    if (this.isClosed || this.phase === "gone" || this.phase === "saved") {
      onSettled?.(false);
      return;
    }
    const flight: Flight<Name> = {
      widget: this.get("widget_id"),
      id: newId(),
      page: PAGE,
      tab: tabId(),
      command,
      args,
      acked: false,
      waiting: false,
      timers: new Set(),
      sessionId: this.find("status")?.id,
      problem: this.find("problem"),
      onSettled,
    };
    this.flights.set(flight.id, flight);
    if (command === "start") this.startingAt = performance.now();
    if (command === "interrupt" && flight.sessionId) {
      for (const observer of observers) observer.onInterrupt(flight.sessionId);
    }
    if (command !== "beat") this.after(flight, SILENCE_MS, () => this.judge(flight, 0));
    void this.dispatch(flight);
    this.notify();
  }

  /**
   * Says that a page shows the running session, by whichever way there is: Python knows what may hold that up. Also on
   * each word of Python's, for a browser slows the timers of a page that nobody looks at. Beside a busy kernel few wait.
   */
  private beat(): void {
    const session = this.find("status");
    const isDown = this.phase === "lost" || (this.phase === "interrupted" && this.kernel !== null);
    // A model without a view shows nothing. It has no channel either: its word would have Python take this page for one
    // that is heard only between cells.
    if (this.listeners.size === 0 || !session?.running || session.beat_every === null || isDown) {
      this.beatAt = -Infinity;
      return;
    }
    const interval = session.beat_every * 1000;
    const unheard = this.flight("beat") ? BEAT_PATIENCE * interval : interval;
    if (performance.now() - this.beatAt < unheard - LOOK_MS / 2) return;
    this.beatAt = performance.now();
    for (const flight of [...this.flights.values()]) if (flight.command === "beat") this.settle(flight);
    this.send("beat", {});
  }

  private async dispatch(flight: Flight): Promise<void> {
    const sent = (await this.channel?.send(wordOf(flight))) ?? false;
    const { id } = flight;
    if (!this.flights.has(id) || flight.acked) return;
    if (sent) this.after(flight, CONTROL_ACK_MS, () => this.sendOrdinary(flight));
    else this.sendOrdinary(flight);
  }

  private sendOrdinary(flight: Flight): void {
    this.model.send(wordOf(flight));
    this.after(flight, ORDINARY_ACK_MS, () => {
      flight.waiting = true;
      this.notify();
    });
  }

  /** Runs `action` unless the flight was acknowledged before. */
  private after(flight: Flight, delayMs: number, action: () => void): void {
    const timer = setTimeout(() => {
      flight.timers.delete(timer);
      if (!flight.acked) action();
    }, delayMs);
    flight.timers.add(timer);
  }

  /** Nothing came back. A kernel that is busy may still answer; one that idles has forgotten the widget. */
  private judge(flight: Flight, idleLooks: number): void {
    if (this.kernel) {
      const idle = this.kernel.status === "idle" && this.kernel.connectionStatus === "connected";
      if (idle && idleLooks >= 1) {
        this.phase = "lost";
        this.drain();
        this.notify();
        return;
      }
      this.after(flight, LOOK_MS, () => this.judge(flight, idle ? idleLooks + 1 : 0));
    } else if (this.phase === "live") {
      this.phase = "interrupted";
      this.notify();
    } else {
      this.notify();
    }
  }

  /** Seconds-old silence while nothing was ever heard: the words for a page that may have no kernel. */
  get unanswered(): boolean {
    if (this.phase !== "connecting") return false;
    for (const flight of this.flights.values()) {
      if (flight.command === "ready" && flight.timers.size === 0 && !flight.acked) return true;
    }
    return false;
  }

  private settle(flight: Flight): void {
    for (const timer of flight.timers) clearTimeout(timer);
    flight.timers.clear();
    this.flights.delete(flight.id);
    flight.onSettled?.(flight.acked);
    flight.onSettled = undefined;
  }

  private drain(): void {
    for (const flight of [...this.flights.values()]) this.settle(flight);
    for (const onGone of [...this.hearers.values()]) onGone();
  }

  private heard(): void {
    this.heardAt = performance.now();
    if (this.phase === "connecting" || this.phase === "lost") this.phase = "live";
    // Where the host shows a connection, only its signal lifts the interruption.
    if (this.phase === "interrupted" && !this.kernel) this.phase = "live";
  }

  private isAnswered(flight: Flight): boolean {
    const session = this.find("status");
    const problem = this.find("problem");
    switch (flight.command) {
      case "start":
        return problem !== flight.problem || (session != null && !FINAL.has(session.state)) ||
          session?.id !== flight.sessionId;
      case "stop":
        return problem !== flight.problem || session == null || session.state === "stopping" ||
          FINAL.has(session.state);
      case "interrupt":
        return problem !== flight.problem ||
          (!this.find("speech")?.some(isActive) && !isBusy(session));
      default:
        return false;
    }
  }

  private trackStart(): void {
    const session = this.find("status");
    const starting = session != null && ["created", "starting", "connecting"].includes(session.state);
    if (starting) this.startingAt ??= performance.now();
    else if (!this.flight("start")) this.startingAt = null;
  }

  private onChange(trait: TraitName): void {
    if (trait === "status") this.sessionAt = performance.now();
    if (trait === "speech") this.speechAt = performance.now();
    this.heard();
    this.tellDrafts(trait);
    for (const flight of [...this.flights.values()]) {
      if (this.isAnswered(flight) || CLICKS[flight.command]?.includes(trait)) this.settle(flight);
    }
    this.trackStart();
    if (trait === "status") {
      const session = this.get("status");
      if (session) for (const observer of observers) observer.onSession(session);
      this.beat();
    }
    this.notify();
  }

  private tellDrafts(trait: TraitName): void {
    if (trait === "talk_problem") this.drafts.onProblem(this.get(trait));
    else if (trait === "speech" || trait === "transcript") {
      this.drafts.onSpeech(this.get("speech"), this.get("transcript"));
    } else if (trait === "context") {
      const sent = this.flight("update_context")?.args;
      if (sent) this.drafts.saved(sent.context_id, sent);
    }
  }

  private readonly onMessage = (message: Message, buffers: (DataView | ArrayBuffer)[]): void => {
    this.heard();
    if (message.page !== undefined && message.page !== PAGE) return;
    for (const observer of observers) observer.onMessage(message, buffers, this);
    for (const slot of [...this.hearers.keys()]) slot(message, buffers);
    if (message.type === "picture") {
      this.pictures.receive(message.avatar_id, message.media_type, buffers[0]);
    } else if (message.type === "upload") {
      this.uploads.over(message.upload);
    } else if (message.type === "voice") {
      this.previews.receive(message.voice_id, message.media_type, buffers[0], message.problem);
    } else if (message.type === "wire") {
      this.wire.receive(message.rows);
    } else if (message.type === "wire_state") {
      this.wire.arrive(message.change, message.timings, message.dropped);
    } else if (message.type === "wire_saved") {
      for (const flight of [...this.flights.values()]) if (flight.command === "save_wire") this.settle(flight);
      this.wire.saved(message.path, message.problem);
    } else if (message.type === "ack") {
      const flight = this.flights.get(message.id);
      if (flight) {
        for (const timer of flight.timers) clearTimeout(timer);
        flight.timers.clear();
        flight.acked = true;
        flight.waiting = false;
        const answered = !(flight.command in CLICKS) || this.isAnswered(flight);
        if (answered) this.settle(flight);
        else flight.timers.add(setTimeout(() => this.onGraceOver(flight), GRACE_MS));
      }
    }
    this.notify();
  };

  private onGraceOver(flight: Flight): void {
    this.settle(flight);
    this.trackStart();
    this.notify();
  }

  private readonly onPulse = (): void => {
    this.beat();
    if (this.kernel) return;
    const running = this.find("status")?.running;
    const quiet = performance.now() - this.heardAt > PULSE_MS;
    if (running && quiet && this.phase === "live" && !this.flight("ready")) this.send("ready", {});
  };

  private end(restarted: boolean): void {
    if (this.phase === "gone") return;
    this.phase = "gone";
    this.restarted = restarted;
    this.drain();
    this.notify();
  }

  private readonly onStatus = (_: unknown, status: string): void => {
    if (isPast(status)) this.end(status === "restarting" || status === "autorestarting");
  };

  private readonly onDisposed = (): void => this.end(false);

  private readonly onCommDead = (): void => {
    const status = this.kernel?.status;
    this.end(status === "restarting" || status === "autorestarting");
  };

  private readonly onConnection = (_: unknown, status: string): void => {
    if (this.phase === "gone") return;
    if (status !== "connected") {
      this.wasDown = true;
      if (this.phase === "live") this.phase = "interrupted";
    } else if (this.wasDown) {
      this.wasDown = false;
      // Whether Python still knows this widget shows by its acknowledgement.
      this.phase = "connecting";
      this.send("ready", {});
      this.pictures.askAgain();
    }
    this.notify();
  };

  private notify(): void {
    for (const listener of this.listeners) listener();
  }
}
