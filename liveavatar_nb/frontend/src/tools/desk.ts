/** The tools of a widget on this page: the state that its views share, and which view answers Python. */
import type { Message, Session } from "../contract";
import type { Link } from "../link/link";
import type { Picturing, SharedRoom } from "../room/media/types";
import { type Backdrop, Look, sizeOf } from "./backdrop";
import { BUTTON_LIMITS, Recorder, type RecordLimits, type RecordSource } from "./recorder";
import { Repeater } from "./repeater";
import { refuseSnapshot, sendSnapshot, takeSnapshot } from "./snapshot";

/** A view with a stage. */
export interface Stand {
  room: SharedRoom;
  backdrop: Backdrop;
  picture: Picturing | null;
}

/** The answer if Python requests a picture and there is none. */
const NO_PICTURE = "The page shows no video of the avatar yet.";
/** How long to wait for a picture that Python requested early, and how often to check. */
const PICTURE_LIMIT_MS = 8000;
const CHECK_MS = 50;

const desks = new WeakMap<Link, Desk>();

export class Desk {
  readonly recorder: Recorder;
  readonly look = new Look();
  /** Whether a snapshot is being sent to Python. */
  isTaking = false;
  /** Why the last snapshot did not arrive. */
  words: string | null = null;
  private readonly stands: Stand[] = [];
  private readonly slots = new Set<() => void>();
  /** Requested recordings that wait for a picture. */
  private readonly wanted = new Set<string>();
  /** The view whose canvas is being recorded. */
  private recorded: Stand | null = null;
  private count = 0;

  private constructor(private readonly link: Link) {
    this.recorder = new Recorder(
      (command, args) => link.request(command, args),
      () => this.notify(),
    );
    link.subscribe((message) => this.receive(message));
  }

  static of(link: Link): Desk {
    let desk = desks.get(link);
    if (!desk) desks.set(link, (desk = new Desk(link)));
    return desk;
  }

  /** Attaches a view, until the returned function is called. */
  attach(stand: Stand): () => void {
    this.stands.push(stand);
    return () => {
      this.stands.splice(this.stands.indexOf(stand), 1);
      // the room's own video goes on in another view, but a canvas disappears with its view
      if (this.stands.length === 0 || stand === this.recorded) {
        this.recorder.stop("The video ended: what was recorded was kept.");
      }
    };
  }

  onChange(slot: () => void): () => void {
    this.slots.add(slot);
    return () => this.slots.delete(slot);
  }

  /** Called when a view has changed the shared state. */
  readonly changed = (): void => {
    for (const { backdrop } of this.stands) backdrop.refresh();
    this.notify();
  };

  /** Takes a snapshot. `request` is Python's; empty for the page's own button. */
  async snapshot(stand: Stand | null, request = ""): Promise<void> {
    const taken = stand?.picture ? await takeSnapshot(stand.picture, stand.backdrop) : null;
    if (!taken) {
      refuseSnapshot(this.link, request, NO_PICTURE);
      return;
    }
    this.isTaking = true;
    this.words = null;
    this.notify();
    const isTaken = await sendSnapshot(this.link, request, taken);
    this.isTaking = false;
    this.words = isTaken ? null : "The snapshot did not arrive: the kernel does not take it in.";
    this.notify();
  }

  record(stand: Stand | null, request?: string, limits: RecordLimits = BUTTON_LIMITS): void {
    this.count += 1;
    const id = request ?? `page-${Date.now().toString(36)}-${this.count}`;
    const source = stand && sourceOf(stand);
    if (this.recorder.state === "idle") this.recorded = source?.canvas ? stand : null;
    void this.recorder.start(id, limits, source);
  }

  /** Called when the session's state has changed; its end ends a recording. */
  follow(session: Session | null): void {
    if (this.recorder.state === "recording" && (session === null || session.state !== "connected")) {
      this.recorder.stop("The session ended: what was recorded was kept.");
    }
  }

  dismiss(): void {
    this.words = null;
    this.recorder.dismiss();
  }

  private receive(message: Message): void {
    if (message.type === "snapshot") void this.awaited().then((stand) => this.snapshot(stand, message.request));
    else if (message.type === "record") void this.recordLater(message);
    else if (message.type === "record_stop") {
      this.wanted.delete(message.request);
      this.recorder.stopOf(message.request);
    }
  }

  /** Records once there is a picture. A page that shows nothing does not answer, because another page may. */
  private async recordLater(message: Extract<Message, { type: "record" }>): Promise<void> {
    this.wanted.add(message.request);
    const stand = this.showing() ?? (await this.awaited());
    if (this.wanted.delete(message.request) && stand) this.record(stand, message.request, message);
  }

  /** A view whose stage has a picture. */
  private showing(): Stand | null {
    return this.stands.find(({ picture }) => picture && sizeOf(picture).width > 0) ?? null;
  }

  private async awaited(): Promise<Stand | null> {
    const until = performance.now() + PICTURE_LIMIT_MS;
    while (!this.showing() && performance.now() < until) await new Promise((resolve) => setTimeout(resolve, CHECK_MS));
    return this.showing();
  }

  private notify(): void {
    for (const slot of [...this.slots]) slot();
  }
}

function sourceOf({ room, backdrop, picture }: Stand): RecordSource | null {
  if (!picture || sizeOf(picture).width === 0) return null;
  const { canvas } = backdrop;
  if (canvas) return { room, canvas, keepDrawing: () => backdrop.keepDrawing() };
  if (picture instanceof HTMLVideoElement) return { room, canvas: null, keepDrawing: () => () => undefined };
  const repeater = new Repeater(picture);
  return { room, canvas: repeater.canvas, keepDrawing: repeater.run };
}
