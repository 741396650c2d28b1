/**
 * The rooms that this page is in: one for each session, shared by all views and widgets. The widget that joined speaks
 * for the page; when it goes, another one takes over.
 */
import type { Message, RoomAnswer, RoomFacts, RoomNews, Session } from "../contract";
import { HOLDER_LIMIT } from "../limits";
import { type Link, type Observer, observers } from "../link/link";
import { Loudspeaker } from "./loudspeaker";
import type { MediaLibrary, Quality, RoomHandle, SharedRoom } from "./media/types";

/** After this time without joining, the page shows the drawn face and keeps trying. */
const PATIENCE_MS = 3000;
/** How long to wait for Python's answer, and for media.js. */
const ANSWER_LIMIT_MS = 15_000;
/** The delay before silently retrying a room that could not be reached. */
const RETRY_MS = 30_000;
/** How long the room is kept without a view: running a cell again removes its view before it adds the next. */
const GRACE_MS = 2000;
/** How long an interruption silences the page if nothing changes. */
const HUSH_LIMIT_MS = 2000;
/** How long sound can still arrive after the avatar fell silent. */
const HUSH_TAIL_MS = 300;
/** Blocked sound is not reported before this: a graph takes a moment to start. */
const SOUND_START_MS = 400;
/** An older offer is requested again, because Python may not expect this page any more when it joins. */
const OFFER_MS = (HOLDER_LIMIT - 2) * 1000;

type Words = { reason: string | null; canTakeOver?: boolean };

export class Room implements SharedRoom {
  handle: RoomHandle | null = null;
  news: RoomNews;
  volume = 1;
  muted = false;
  hushed = false;
  /** Whether `join(true)` can take the room from another window. */
  canTakeOver = false;
  readonly stream = new MediaStream();
  private readonly speaker: Loudspeaker;
  private readonly views = new Map<Link, number>();
  /** The widget that speaks for this page. */
  private voice: Link | null = null;
  private readonly slots = new Set<() => void>();
  private sentNews = "";
  private attempt = 0;
  /** Whether the page is waiting for the room's address and token. */
  private isRequesting = false;
  private takeOver = false;
  private isQuiet = false;
  private soundIsLate = false;
  private agentState: string | null = null;
  private closing: ReturnType<typeof setTimeout> | undefined;
  private limit: ReturnType<typeof setTimeout> | undefined;
  private retry: ReturnType<typeof setTimeout> | undefined;
  private hushTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    readonly sessionId: string,
    readonly kind: RoomFacts["kind"],
  ) {
    this.news = { session_id: sessionId, state: "joining", reason: null, avatar: false };
    this.speaker = new Loudspeaker(kind === "drawn" ? "pcm" : "track", () => this.changed());
    setTimeout(() => {
      this.soundIsLate = true;
      this.changed();
    }, SOUND_START_MS);
    const { track } = this.speaker;
    if (track) this.stream.addTrack(track);
    window.addEventListener("pagehide", this.onPageHide);
    window.addEventListener("pageshow", this.onPageShow);
  }

  /** Attaches a view of `link`, until the returned function is called. */
  watch(link: Link): () => void {
    clearTimeout(this.closing);
    this.views.set(link, (this.views.get(link) ?? 0) + 1);
    if (!this.voice || !this.views.has(this.voice) || !this.voice.usable) this.speakThrough(link);
    if (this.kind === "livekit" && !this.handle && !this.isRequesting && this.news.state === "joining") this.join();
    let isOver = false;
    return () => {
      if (isOver) return;
      isOver = true;
      this.unwatch(link);
    };
  }

  get quality(): Quality {
    return this.handle?.quality ?? "unknown";
  }

  get canPlayAudio(): boolean {
    return this.speaker.isOpen || !this.soundIsLate;
  }

  /** Whether sound of a drawn room is playing, or about to; then `loudness` follows it. */
  get isSounding(): boolean {
    return this.speaker.isPlaying;
  }

  loudness(): number {
    return this.speaker.loudness();
  }

  setVolume(volume: number): void {
    this.volume = Math.min(1, Math.max(0, volume));
    this.muted = this.volume === 0;
    this.changed();
  }

  setMuted(muted: boolean): void {
    this.muted = muted;
    if (!muted && this.volume === 0) this.volume = 1;
    this.changed();
  }

  hush(): void {
    this.hushed = true;
    this.speaker.forget();
    this.unhushAfter(HUSH_LIMIT_MS);
    this.changed();
  }

  async startAudio(): Promise<void> {
    await this.speaker.start();
    this.changed();
  }

  join(takeOver = false): void {
    if (this.kind !== "livekit") return;
    this.isQuiet = false;
    this.takeOver = takeOver;
    this.requestAccess();
  }

  onChange(slot: () => void): () => void {
    this.slots.add(slot);
    return () => this.slots.delete(slot);
  }

  /** Called when the session's record has changed. */
  follow(session: Session): void {
    const { agent_state: state } = session;
    if (this.hushed && state !== this.agentState) {
      if (state === "talking") this.unhushAfter(0);
      else if (this.agentState === "talking") this.unhushAfter(HUSH_TAIL_MS);
    }
    this.agentState = state;
  }

  /** Handles Python's messages about rooms, through the model of `link`. */
  receive(message: Message, buffers: readonly (DataView | ArrayBuffer)[], link: Link): void {
    switch (message.type) {
      case "room":
        if (link === this.voice) void this.onAnswer(message);
        break;
      case "room_send":
        void this.sendFor(link, message.request, message.payload);
        break;
      case "room_leave":
        // answer through the widget that Python heard last, which need not be the one that speaks
        this.leave("left", { reason: message.reason, canTakeOver: true });
        break;
      case "sound":
        // Python sends it to each widget that shows the session
        if (link !== this.voice || this.kind !== "drawn") break;
        if (message.hush) this.speaker.forget();
        else if (buffers[0] && !this.hushed) this.speaker.push(buffers[0]);
        break;
      default:
    }
  }

  private unwatch(link: Link): void {
    const left = (this.views.get(link) ?? 0) - 1;
    if (left > 0) {
      this.views.set(link, left);
      return;
    }
    this.views.delete(link);
    const next = [...this.views.keys()].find((view) => view.usable) ?? this.views.keys().next().value;
    if (next) {
      if (link === this.voice) this.speakThrough(next);
    } else if (!link.usable || !shows(link, this.sessionId)) {
      this.close();
    } else {
      this.closing = setTimeout(() => this.close(), GRACE_MS);
    }
  }

  private speakThrough(link: Link): void {
    this.voice = link;
    this.sentNews = "";
    // its Python was not asked for the room, or the widget that asked is gone
    if (this.isRequesting) this.requestAccess();
    else if (this.news.state !== "joining") this.sendNews();
  }

  /** Requests the room's address and token. */
  private requestAccess(): void {
    this.attempt += 1;
    const { attempt } = this;
    this.drop();
    this.isRequesting = true;
    if (!this.isQuiet) this.setState("joining", { reason: null });
    this.limit = setTimeout(() => {
      if (attempt === this.attempt) this.fail("The kernel did not respond in time.");
    }, ANSWER_LIMIT_MS);
    const answer = this.takeOver ? null : rooms.takeOffer(this.sessionId);
    if (answer) void this.onAnswer(answer);
    else this.voice?.send("join", { session_id: this.sessionId, take_over: this.takeOver });
  }

  private async onAnswer(answer: RoomAnswer): Promise<void> {
    const { url, token, avatar_identity: avatar, reason, can_take_over: canTakeOver } = answer;
    if (!this.isRequesting) return;
    this.isRequesting = false;
    const { attempt } = this;
    if (url === null || token === null || avatar === null) {
      this.leave("left", { reason, canTakeOver });
      return;
    }
    let library: MediaLibrary;
    try {
      library = await this.library();
    } catch {
      if (attempt === this.attempt) this.fail("What joins a room could not be loaded from the kernel.");
      return;
    }
    if (attempt !== this.attempt) return;
    clearTimeout(this.limit);
    this.limit = setTimeout(() => {
      if (attempt === this.attempt && this.handle?.state === "joining") {
        this.setState("unreachable", { reason: `This browser is not in the room after ${PATIENCE_MS / 1000} s.` });
      }
    }, PATIENCE_MS);
    const handle = library.join(url, token, avatar);
    this.handle = handle;
    handle.onChange(() => this.onHandle(handle));
    handle.onData((topic, payload) => {
      this.voice?.send("data", { session_id: this.sessionId, topic, payload });
    });
  }

  /** Fetches media.js through the speaking widget; if that one goes meanwhile, through another. */
  private async library(): Promise<MediaLibrary> {
    for (;;) {
      const link = [this.voice, ...this.views.keys()].find((candidate) => candidate?.usable) ?? null;
      try {
        return await loadLibrary(link);
      } catch (error) {
        if (!link || link.usable) throw error;
      }
    }
  }

  private onHandle(handle: RoomHandle): void {
    if (handle !== this.handle) return;
    switch (handle.state) {
      case "joined":
        clearTimeout(this.limit);
        this.isQuiet = false;
        this.takeOver = false;
        this.setTracks(handle.video, handle.audio);
        this.setState("joined", { reason: null });
        break;
      case "reconnecting":
        this.setState("reconnecting", { reason: null });
        break;
      case "unreachable":
        this.fail(handle.reason);
        break;
      case "replaced":
        this.leave("replaced", { reason: handle.reason, canTakeOver: true });
        break;
      case "left":
        this.drop();
        this.setState("left", { reason: handle.reason });
        this.tryLater();
        break;
      default:
    }
  }

  /** Handles a failure to join: retries after a while. */
  private fail(reason: string | null): void {
    this.drop();
    this.setState("unreachable", { reason });
    this.tryLater();
  }

  private tryLater(): void {
    this.retry = setTimeout(() => {
      this.isQuiet = true;
      this.requestAccess();
    }, RETRY_MS);
  }

  /** Leaves the room for good, without retrying. */
  private leave(state: "left" | "replaced", words: Words): void {
    this.drop();
    this.setState(state, words);
  }

  private drop(): void {
    clearTimeout(this.limit);
    clearTimeout(this.retry);
    this.isRequesting = false;
    const { handle } = this;
    this.handle = null;
    this.setTracks(null, null);
    if (handle) void handle.leave().catch(() => undefined);
  }

  private close(): void {
    clearTimeout(this.closing);
    clearTimeout(this.hushTimer);
    this.attempt += 1;
    const wasIn = this.kind === "livekit" && this.news.state !== "left" && this.news.state !== "replaced";
    if (wasIn) this.leave("left", { reason: null });
    else this.drop();
    this.endSound();
    this.speaker.close();
    window.removeEventListener("pagehide", this.onPageHide);
    window.removeEventListener("pageshow", this.onPageShow);
    rooms.forget(this);
  }

  private setTracks(video: MediaStreamTrack | null, audio: MediaStreamTrack | null): void {
    if (this.kind === "drawn") return;
    const { stream } = this;
    const before = stream.getAudioTracks()[0] ?? null;
    for (const track of stream.getTracks()) if (track !== video && track !== audio) stream.removeTrack(track);
    for (const track of [video, audio]) if (track && !stream.getTracks().includes(track)) stream.addTrack(track);
    if (audio !== before) this.speaker.setTrack(audio);
  }

  private async sendFor(link: Link, request: string, payload: string): Promise<void> {
    let problem: string | null = null;
    try {
      if (!this.handle) throw new Error("this page is not in the room");
      await this.handle.send(payload);
    } catch (error) {
      problem = error instanceof Error ? error.message : String(error);
    }
    link.send("room_sent", { request, ok: problem === null, problem });
  }

  private unhushAfter(delayMs: number): void {
    clearTimeout(this.hushTimer);
    this.hushTimer = setTimeout(() => {
      this.hushed = false;
      this.changed();
    }, delayMs);
  }

  private setState(state: RoomNews["state"], { reason, canTakeOver = false }: Words): void {
    const avatar = state === "joined" && this.handle?.video != null;
    this.news = { session_id: this.sessionId, state, reason, avatar };
    this.canTakeOver = canTakeOver;
    this.sendNews();
    this.changed();
  }

  private sendNews(): void {
    const text = JSON.stringify(this.news);
    if (text === this.sentNews || !this.voice) return;
    this.sentNews = text;
    this.voice.send("room", { ...this.news });
  }

  private changed(): void {
    this.speaker.setVolume(this.muted || this.hushed ? 0 : this.volume ** 2);
    for (const slot of [...this.slots]) slot();
  }

  /** Lets another page play the drawn room's sound. */
  private endSound(): void {
    if (this.kind === "drawn") this.voice?.send("room", { ...this.news, state: "left" });
  }

  private readonly onPageHide = (): void => {
    this.endSound();
    if (this.kind !== "livekit" || (!this.handle && !this.isRequesting)) return;
    this.attempt += 1;
    this.drop();
    this.setState("left", { reason: null });
  };

  /** Called when the browser restores the page from its back/forward cache. */
  private readonly onPageShow = (event: PageTransitionEvent): void => {
    if (event.persisted && this.views.size > 0) this.join();
  };
}

/** The rooms that this page is in, by session. */
class Rooms implements Observer {
  private readonly all = new Map<string, Room>();
  /**
   * The address of a new session's room, which Python offers to pages that show the session from its start, to save a
   * round trip. It arrives with the first record of the session, before anything here could ask.
   */
  private offer: { answer: RoomAnswer; at: number } | null = null;

  get size(): number {
    return this.all.size;
  }

  /** Returns the room of a session; creates it if necessary. */
  of(sessionId: string, kind: RoomFacts["kind"]): Room {
    let room = this.all.get(sessionId);
    if (!room) this.all.set(sessionId, (room = new Room(sessionId, kind)));
    return room;
  }

  forget(room: Room): void {
    if (this.all.get(room.sessionId) === room) this.all.delete(room.sessionId);
  }

  takeOffer(sessionId: string): RoomAnswer | null {
    const { offer } = this;
    if (offer?.answer.session_id !== sessionId) return null;
    this.offer = null;
    return performance.now() - offer.at < OFFER_MS ? offer.answer : null;
  }

  onInterrupt(sessionId: string): void {
    this.all.get(sessionId)?.hush();
  }

  onSession(session: Session): void {
    this.all.get(session.id)?.follow(session);
  }

  onMessage(message: Message, buffers: readonly (DataView | ArrayBuffer)[], link: Link): void {
    if (!("session_id" in message)) return;
    const room = this.all.get(message.session_id);
    if (room) room.receive(message, buffers, link);
    else if (message.type === "room") {
      if (message.url !== null) this.offer = { answer: message, at: performance.now() };
    } else if (message.type === "room_send") {
      link.send("room_sent", { request: message.request, ok: false, problem: "this page is not in the room" });
    }
  }
}

const rooms = new Rooms();
observers.add(rooms);

/** Returns this page's shared room of a connected session. */
export function watchRoom(link: Link, sessionId: string, kind: RoomFacts["kind"]): { room: Room; over: () => void } {
  const room = rooms.of(sessionId, kind);
  return { room, over: room.watch(link) };
}

/** The states in which the session has a room; it exists before the avatar joins. */
const IN_ROOM = new Set<Session["state"]>(["connecting", "connected", "stopping"]);

/** Whether the session is in its room, so that a page can join. */
export function isInRoom(session: Session | null | undefined): session is Session & { room: RoomFacts } {
  return session?.room != null && IN_ROOM.has(session.state);
}

function shows(link: Link, sessionId: string): boolean {
  const session = link.find("status");
  return isInRoom(session) && session.id === sessionId;
}

const media: { library: Promise<MediaLibrary> | null } = { library: null };

/** Loads media.js, once per page; if one widget does not receive it, the next one that waits asks again. */
export async function loadLibrary(link: Link | null): Promise<MediaLibrary> {
  for (;;) {
    const isAsked = media.library !== null;
    const library = (media.library ??= fetchLibrary(link));
    try {
      return await library;
    } catch (error) {
      if (media.library === library) media.library = null;
      if (!isAsked) throw error;
    }
  }
}

function fetchLibrary(link: Link | null): Promise<MediaLibrary> {
  return new Promise((resolve, reject) => {
    if (!link?.usable) {
      reject(new Error("no widget to ask"));
      return;
    }
    const receive = (message: Message, buffers: readonly (DataView | ArrayBuffer)[]): void => {
      if (message.type !== "library" || !buffers[0]) return;
      end();
      importText(buffers[0]).then(resolve, reject);
    };
    const unsubscribe = link.subscribe(receive, () => {
      end();
      reject(new Error("the widget that asked for it is gone"));
    });
    const timer = setTimeout(() => {
      end();
      reject(new Error("the kernel did not send it"));
    }, ANSWER_LIMIT_MS);
    const end = (): void => {
      clearTimeout(timer);
      unsubscribe();
    };
    link.send("library", {});
  });
}

async function importText(bytes: DataView | ArrayBuffer): Promise<MediaLibrary> {
  const url = URL.createObjectURL(new Blob([bytes as BlobPart], { type: "text/javascript" }));
  try {
    const module = (await import(/* @vite-ignore */ url)) as { default: MediaLibrary };
    return module.default;
  } finally {
    URL.revokeObjectURL(url);
  }
}
