/**
 * The connection between a model and the Python behind it: sends commands by the best available route, tracks their
 * acknowledgements, and knows whether Python still answers.
 */
import type { AnyModel } from "@anywidget/types";
import { ControlChannel } from "./channel";
import { CLICKS, type Command, type CommandName, type Commands } from "./commands";
import type { Message, Session, TraitName, Traits } from "../contract";
import { Drafts } from "./drafts";
import { type Kernel, isPast, kernelOf } from "./kernel";
import { Pictures } from "./pictures";
import { Previews } from "./previews";
import { Uploads } from "./uploads";
import { isActive } from "../words";
import { WireRows } from "./wirerows";

/** An ordinary message without an acknowledgement by then is waiting for a running cell. */
export const ORDINARY_ACK_MS = 500;
/** A control message without an acknowledgement by then is sent as an ordinary message as well. */
export const CONTROL_ACK_MS = 2000;
/** An idle kernel that is silent for this long no longer knows this widget. */
export const SILENCE_MS = 10_000;
/**
 * The interval for checking whether a beat of a running session is due, and whether a silent kernel is idle. Two idle
 * checks in a row mean that it no longer knows the widget.
 */
const CHECK_MS = 1000;
/** An acknowledged click that changes nothing keeps its button busy for this long. */
const GRACE_MS = 3000;
/** If the host does not expose its kernel, Python is asked after a running session is silent for this long. */
const PULSE_MS = 20_000;
/** A beat is sent again if it is not acknowledged within this many intervals. */
const BEAT_PATIENCE = 2;

/**
 * connecting: no answer yet; live: Python has answered; interrupted: the connection to the kernel is down for now;
 * lost: the kernel is there but does not know this widget; gone: the kernel that made it no longer exists;
 * saved: a page without any kernel.
 */
export type Phase = "connecting" | "live" | "interrupted" | "lost" | "gone" | "saved";

const FINAL = new Set<Session["state"]>(["ended", "failed"]);

function isBusy(session: Session | null | undefined): boolean {
  return session?.agent_state === "talking" || session?.agent_state === "thinking";
}

type MessageHandler = (message: Message, buffers: readonly (DataView | ArrayBuffer)[]) => void;

interface Flight<Name extends CommandName = CommandName> extends Command<Name> {
  acked: boolean;
  /** Not acknowledged as an ordinary message: it is waiting for the running cell. */
  waiting: boolean;
  timers: Set<ReturnType<typeof setTimeout>>;
  sessionId: string | undefined;
  problem: unknown;
  /** Called once, with whether it was acknowledged; false if nobody is there to do so. */
  onSettled: ((acked: boolean) => void) | undefined;
}

function newId(): string {
  // crypto.randomUUID is missing on pages without a secure context (a hub over http)
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

/** Observes the links of all widgets on a page. */
export interface Observer {
  /** Called before an interruption of the session is sent. */
  onInterrupt(sessionId: string): void;
  /** Called when the session's record has changed. */
  onSession(session: Session): void;
  /** Called with a message from Python to this page, through the model of `link`. */
  onMessage(message: Message, buffers: readonly (DataView | ArrayBuffer)[], link: Link): void;
}

export const observers = new Set<Observer>();

/** The id of this browser page, shared by its widgets. */
const PAGE = newId();

/** Returns the id of this browser tab, which survives a reload. */
function tabId(): string {
  const key = "liveavatar_nb.tab";
  try {
    const known = sessionStorage.getItem(key) ?? newId();
    sessionStorage.setItem(key, known);
    return known;
  } catch {
    return ""; // a page that may not store anything
  }
}

/** Whether this is an export by nbconvert or Sphinx, with the widgets' state in the page and without a kernel. */
function isSavedPage(): boolean {
  return document.querySelector('script[type="application/vnd.jupyter.widget-state+json"]') !== null;
}

function messageOf({ widget, id, page, tab, command, args }: Flight): Command {
  return { widget, id, page, tab, command, args };
}

export class Link {
  phase: Phase = "connecting";
  /** Whether the kernel behind this widget was restarted, rather than shut down or lost. */
  restarted = false;
  readonly pictures: Pictures;
  readonly uploads: Uploads;
  readonly wire: WireRows;
  readonly drafts: Drafts;
  readonly previews: Previews;
  /** performance.now() when the session's record arrived. */
  sessionAt = performance.now();
  /** performance.now() when the utterances arrived. */
  speechAt = performance.now();
  /** performance.now() when this page first saw the session starting, or the click on Start. */
  startingAt: number | null = null;
  private readonly kernel: Kernel | null;
  private readonly listeners = new Set<() => void>();
  private readonly slots = new Map<string, () => void>();
  private readonly flights = new Map<string, Flight>();
  private readonly handlers = new Map<MessageHandler, () => void>();
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
    // by name, because marimo's models have no event for all changes together
    for (const trait of traits) {
      const slot = (): void => this.onChange(trait);
      model.on(`change:${trait}`, slot);
      this.slots.set(`change:${trait}`, slot);
    }
    model.on("msg:custom", this.onMessage);
    model.on("comm:close", this.onCommDead);
    // the mark is set before this script runs, so a change always means that the comm is dead
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

  /** Returns a trait that this widget has. */
  get<Name extends TraitName>(trait: Name): Traits[Name] {
    return this.model.get(trait) as Traits[Name];
  }

  /** Returns a trait that this widget may have. */
  find<Name extends TraitName>(trait: Name): Traits[Name] | undefined {
    return this.get(trait);
  }

  /** Attaches a view: `changed` is called after each change until the returned function is called. */
  attach(changed: () => void): () => void {
    this.listeners.add(changed);
    if (this.listeners.size === 1) {
      if (this.kernel) this.channel = ControlChannel.acquire(this.kernel);
      this.pulse = setInterval(this.onPulse, CHECK_MS);
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
   * Calls `handler` with each message from Python to this page, until the returned function is called. Calls `onGone`
   * when there will be no more messages.
   */
  subscribe(handler: MessageHandler, onGone: () => void = () => undefined): () => void {
    this.handlers.set(handler, onGone);
    return () => this.handlers.delete(handler);
  }

  /** Whether Python can be reached, as far as this page can tell. */
  get usable(): boolean {
    if (this.isClosed) return false;
    return this.phase === "live" || this.phase === "connecting";
  }

  /** Whether clocks may run: Python has answered, and nothing indicates that it is gone. */
  get ticking(): boolean {
    return this.phase === "live";
  }

  /** Whether a click is waiting for the running cell. */
  get waiting(): boolean {
    for (const flight of this.flights.values()) if (flight.waiting && flight.command in CLICKS) return true;
    return false;
  }

  /** The newest click of this name that Python has not answered with a change yet. */
  flight<Name extends CommandName>(command: Name): Pick<Flight<Name>, "args" | "waiting"> | null {
    let found: Flight<Name> | null = null;
    for (const flight of this.flights.values()) if (flight.command === command) found = flight as Flight<Name>;
    return found;
  }

  /** Sends a command; resolves to whether it was acknowledged, false if nobody is there to do so. */
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
    if (command !== "beat") this.after(flight, SILENCE_MS, () => this.checkSilence(flight, 0));
    void this.dispatch(flight);
    this.notify();
  }

  /**
   * Reports that a page shows the running session, by any route: Python knows what may delay it. Runs on each message
   * from Python as well, because browsers slow the timers of hidden pages. Few reports queue up at a busy kernel.
   */
  private beat(): void {
    const session = this.find("status");
    const isDown = this.phase === "lost" || (this.phase === "interrupted" && this.kernel !== null);
    // A model without a view shows nothing. It has no channel either, so a beat would make Python believe that it hears
    // this page only between cells.
    if (this.listeners.size === 0 || !session?.running || session.beat_every === null || isDown) {
      this.beatAt = -Infinity;
      return;
    }
    const interval = session.beat_every * 1000;
    const unheard = this.flight("beat") ? BEAT_PATIENCE * interval : interval;
    if (performance.now() - this.beatAt < unheard - CHECK_MS / 2) return;
    this.beatAt = performance.now();
    for (const flight of [...this.flights.values()]) if (flight.command === "beat") this.settle(flight);
    this.send("beat", {});
  }

  private async dispatch(flight: Flight): Promise<void> {
    const sent = (await this.channel?.send(messageOf(flight))) ?? false;
    const { id } = flight;
    if (!this.flights.has(id) || flight.acked) return;
    if (sent) this.after(flight, CONTROL_ACK_MS, () => this.sendOrdinary(flight));
    else this.sendOrdinary(flight);
  }

  private sendOrdinary(flight: Flight): void {
    this.model.send(messageOf(flight));
    this.after(flight, ORDINARY_ACK_MS, () => {
      flight.waiting = true;
      this.notify();
    });
  }

  /** Runs `action` after a delay unless the flight is acknowledged first. */
  private after(flight: Flight, delayMs: number, action: () => void): void {
    const timer = setTimeout(() => {
      flight.timers.delete(timer);
      if (!flight.acked) action();
    }, delayMs);
    flight.timers.add(timer);
  }

  /** Handles a missing answer: a busy kernel may still answer, an idle one does not know the widget any more. */
  private checkSilence(flight: Flight, idleChecks: number): void {
    if (this.kernel) {
      const idle = this.kernel.status === "idle" && this.kernel.connectionStatus === "connected";
      if (idle && idleChecks >= 1) {
        this.phase = "lost";
        this.drain();
        this.notify();
        return;
      }
      this.after(flight, CHECK_MS, () => this.checkSilence(flight, idle ? idleChecks + 1 : 0));
    } else if (this.phase === "live") {
      this.phase = "interrupted";
      this.notify();
    } else {
      this.notify();
    }
  }

  /** Whether nothing has been heard for seconds since the start, so that the page may have no kernel. */
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
    for (const onGone of [...this.handlers.values()]) onGone();
  }

  private onAnswer(): void {
    this.heardAt = performance.now();
    if (this.phase === "connecting" || this.phase === "lost") this.phase = "live";
    // if the host exposes a connection, only its signal ends the interruption
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
    this.onAnswer();
    this.updateDrafts(trait);
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

  private updateDrafts(trait: TraitName): void {
    if (trait === "talk_problem") this.drafts.onProblem(this.get(trait));
    else if (trait === "speech" || trait === "transcript") {
      this.drafts.onSpeech(this.get("speech"), this.get("transcript"));
    } else if (trait === "context") {
      const sent = this.flight("update_context")?.args;
      if (sent) this.drafts.saved(sent.context_id, sent);
    }
  }

  private readonly onMessage = (message: Message, buffers: (DataView | ArrayBuffer)[]): void => {
    this.onAnswer();
    if (message.page !== undefined && message.page !== PAGE) return;
    for (const observer of observers) observer.onMessage(message, buffers, this);
    for (const handler of [...this.handlers.keys()]) handler(message, buffers);
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
      // the acknowledgement shows whether Python still knows this widget
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
