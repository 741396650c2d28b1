/** What is one for a page, however many widgets are on it: each model has its own instance of this script. */
import type { ControlChannel } from "./link/channel";
import type { RoomAnswer } from "./contract";
import type { MediaLibrary, SharedRoom } from "./room/media/types";
import type { Room } from "./room/room";
import type { Microphone } from "./room/microphone";

const REGISTRY = Symbol.for("liveavatar_nb");

export interface Registry {
  /** By kernel connection. */
  channels: Map<string, ControlChannel>;
  /** By session. */
  rooms: Map<string, Room>;
  library: Promise<MediaLibrary> | null;
  /** The way into a room that nobody asked for, and when it came. */
  offer: { answer: RoomAnswer; at: number } | null;
  microphones: WeakMap<SharedRoom, Microphone>;
  /** By sample rate; 0 is the device's own. */
  sound: Map<number, { context: AudioContext; users: number }>;
}

export function registry(): Registry {
  const home = globalThis as unknown as Record<symbol, Registry | undefined>;
  return (home[REGISTRY] ??= {
    channels: new Map(),
    rooms: new Map(),
    library: null,
    offer: null,
    microphones: new WeakMap(),
    sound: new Map(),
  });
}
