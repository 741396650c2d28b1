/** Types shared by the parts of the page that deal with a room; only types, so that media.js is not bundled. */
import type { RoomNews } from "../../contract";

export type Quality = "excellent" | "good" | "poor" | "lost" | "unknown";

/** A LiveKit room that this page is in, provided by media.js. */
export interface RoomHandle {
  readonly state: RoomNews["state"];
  /** Why the page is out of the room, as text; null if there is nothing to say. */
  readonly reason: string | null;
  /** The quality of this page's own connection. */
  readonly quality: Quality;
  /** The avatar's tracks. */
  readonly video: MediaStreamTrack | null;
  readonly audio: MediaStreamTrack | null;
  /** Sends a packet reliably, on the topic `agent-control`. */
  send(payload: string): Promise<void>;
  /** Publishes a track; null unpublishes it. The caller has to stop the track. */
  publishMicrophone(track: MediaStreamTrack | null): Promise<void>;
  onChange(slot: () => void): () => void;
  onData(slot: (topic: string, payload: string) => void): () => void;
  leave(): Promise<void>;
}

/** The default export of media.js. */
export interface MediaLibrary {
  /** Starts joining; the handle's state shows the outcome. */
  join(address: string, token: string, avatarIdentity: string): RoomHandle;
}

/** A session's room, shared by all its views on this page. */
export interface SharedRoom {
  readonly sessionId: string;
  readonly kind: "livekit" | "drawn";
  /** null while the room is not joined; always null for a drawn room. */
  readonly handle: RoomHandle | null;
  readonly news: RoomNews;
  readonly quality: Quality;
  /** From 0 to 1. */
  readonly volume: number;
  readonly muted: boolean;
  /** Whether it is silent since a click on Interrupt, until the next speech. */
  readonly hushed: boolean;
  /** Whether the browser allows sound; false: it waits for a click (`startAudio`). */
  readonly canPlayAudio: boolean;
  /** The avatar's video and sound, regardless of the volume; tracks come and go, the stream stays. */
  readonly stream: MediaStream;
  /** The loudness of the avatar's speech now, from 0 to 1. */
  loudness(): number;
  setVolume(volume: number): void;
  setMuted(muted: boolean): void;
  hush(): void;
  startAudio(): Promise<void>;
  /** Joins (again); `takeOver`: even if another window has the room. */
  join(takeOver?: boolean): void;
  onChange(slot: () => void): () => void;
}

/** The original picture on the stage: the avatar's video, or the canvas of a drawn face. */
export type Picturing = HTMLVideoElement | HTMLCanvasElement;
