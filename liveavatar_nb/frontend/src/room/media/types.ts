/** What the parts of the page that deal with a session's room know of each other. Types alone: media.js is not bundled in. */
import type { RoomNews } from "../../contract";

export type Quality = "excellent" | "good" | "poor" | "lost" | "unknown";

/** A LiveKit room that this page is in; what media.js gives. */
export interface RoomHandle {
  readonly state: RoomNews["state"];
  /** Why it is out of the room, in words; null where there is nothing to say. */
  readonly reason: string | null;
  /** Of this page's own connection. */
  readonly quality: Quality;
  /** The avatar's. */
  readonly video: MediaStreamTrack | null;
  readonly audio: MediaStreamTrack | null;
  /** Reliable, on the topic `agent-control`. */
  send(payload: string): Promise<void>;
  /** null: takes it back. The track is the caller's to stop. */
  publishMicrophone(track: MediaStreamTrack | null): Promise<void>;
  onChange(slot: () => void): () => void;
  onData(slot: (topic: string, payload: string) => void): () => void;
  leave(): Promise<void>;
}

/** The default export of media.js. */
export interface MediaLibrary {
  /** Begins to join: the handle tells by its state how it went. */
  join(address: string, token: string, avatarIdentity: string): RoomHandle;
}

/** The room of one session, for all views of it on this page. */
export interface SharedRoom {
  readonly sessionId: string;
  readonly kind: "livekit" | "drawn";
  /** null while it is not joined, and for ever in a drawn room. */
  readonly handle: RoomHandle | null;
  readonly news: RoomNews;
  readonly quality: Quality;
  /** From 0 to 1. */
  readonly volume: number;
  readonly muted: boolean;
  /** Silent since Interrupt was clicked, until what is said next. */
  readonly hushed: boolean;
  /** The browser lets sound out; false: it waits for a click (`startAudio`). */
  readonly canPlayAudio: boolean;
  /** The avatar's video and sound, whatever the volume; tracks come and go, the stream stays. */
  readonly stream: MediaStream;
  /** What the avatar says just now, 0 to 1. */
  loudness(): number;
  setVolume(volume: number): void;
  setMuted(muted: boolean): void;
  hush(): void;
  startAudio(): Promise<void>;
  /** Joins (again); `takeOver`: from another window that shows it. */
  join(takeOver?: boolean): void;
  onChange(slot: () => void): () => void;
}

/** The picture on the stage as it came: the avatar's video, or the canvas of a drawn face. */
export type Picturing = HTMLVideoElement | HTMLCanvasElement;
