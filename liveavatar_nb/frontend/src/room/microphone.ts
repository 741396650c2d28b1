/** The user's microphone in an avatar's room: opened by a click, heard while it is on, and released when unused. */
import type { RoomHandle, SharedRoom } from "./media/types";

const microphones = new WeakMap<SharedRoom, Microphone>();

/** off: none is open; opening: the browser is asking; muted: it is open but not sent; on: the avatar hears it. */
export type MicrophoneState = "off" | "opening" | "muted" | "on";

export interface Device {
  id: string;
  name: string;
}

export type Place = "stage" | "talk";

export interface MicrophoneProblem {
  title: string;
  remedy: string;
}

/** A muted microphone is released after this time, and the browser's indicator disappears. */
const RELEASE_MS = 60_000;
/** The number of samples for computing the level: 11 ms at 48 kHz. */
const LEVEL_SAMPLES = 512;
/** The level of silence, in dBFS; the meter goes from there to full scale. */
const SILENCE_DB = -60;

const TYPE = "Type what you want to say, or";

/** Why no microphone is possible here, whatever the user does; null if the browser can be asked for one. */
export function hindrance(): MicrophoneProblem | null {
  if (location.protocol === "vscode-webview:") {
    return {
      title: "VS Code gives its notebooks no microphone.",
      remedy: `${TYPE} open the notebook in JupyterLab, in a browser.`,
    };
  }
  if (!isSecureContext || !navigator.mediaDevices) {
    return {
      title: "A browser gives no microphone to a page that came by plain http.",
      remedy: `${TYPE} open the notebook by https, or at localhost.`,
    };
  }
  return null;
}

function problemOf(error: unknown): MicrophoneProblem {
  const name = error instanceof DOMException ? error.name : "";
  switch (name) {
    case "NotAllowedError":
    case "SecurityError":
      return window.top === window
        ? {
            title: "The browser was not allowed to use the microphone.",
            remedy: `${TYPE} allow it beside the address of this page, then try again.`,
          }
        : {
            title: "The microphone is not allowed in this frame of the page.",
            remedy: `${TYPE} allow it beside the page's address; some hosts never pass it on.`,
          };
    case "NotFoundError":
      return { title: "There is no microphone.", remedy: `${TYPE} plug one in and try again.` };
    case "NotReadableError":
    case "AbortError":
      return {
        title: "The microphone cannot be opened.",
        remedy: `${TYPE} close the program that uses it, look at the system's privacy settings, and try again.`,
      };
    default:
      return {
        title: "The microphone does not work.",
        remedy: `${TYPE} try again. The browser says: ${error instanceof Error ? error.message : String(error)}`,
      };
  }
}

export class Microphone {
  state: MicrophoneState = "off";
  problem: MicrophoneProblem | null = null;
  /** Where the microphone was last requested, and so where a problem is shown. */
  place: Place = "stage";
  /** The devices, whose names are known once one was opened. */
  devices: readonly Device[] = [];
  /** The device that is open, or was last. */
  deviceId: string | null = null;
  private readonly slots = new Set<() => void>();
  private users = 0;
  /** Whether it should be unmuted as soon as it is open. */
  private isWanted = false;
  /** Counts the attempts to open it, so that results of older attempts are ignored. */
  private attempt = 0;
  private track: MediaStreamTrack | null = null;
  private handle: RoomHandle | null = null;
  private context: AudioContext | null = null;
  private analyser: AnalyserNode | null = null;
  private readonly samples = new Float32Array(LEVEL_SAMPLES);
  private releaseTimer: ReturnType<typeof setTimeout> | undefined;
  private unlisten: () => void = () => undefined;

  private constructor(private readonly room: SharedRoom) {}

  /** Returns the microphone of a room, shared by its widgets. */
  static of(room: SharedRoom): Microphone {
    let microphone = microphones.get(room);
    if (!microphone) microphones.set(room, (microphone = new Microphone(room)));
    return microphone;
  }

  onChange(slot: () => void): () => void {
    this.slots.add(slot);
    return () => this.slots.delete(slot);
  }

  /** Attaches a view; the returned function detaches it, and the last one closes the microphone. */
  attach(): () => void {
    this.users += 1;
    if (this.users === 1) {
      this.unlisten = this.room.onChange(this.onRoom);
      navigator.mediaDevices?.addEventListener("devicechange", this.onDevices);
    }
    return () => {
      this.users -= 1;
      if (this.users > 0) return;
      this.unlisten();
      navigator.mediaDevices?.removeEventListener("devicechange", this.onDevices);
      this.close();
    };
  }

  /** The level, from 0 to 1. */
  level(): number {
    if (!this.analyser || this.state !== "on") return 0;
    this.analyser.getFloatTimeDomainData(this.samples);
    const power = this.samples.reduce((sum, sample) => sum + sample * sample, 0) / LEVEL_SAMPLES;
    return Math.max(0, Math.min(1, 1 - (10 * Math.log10(power + 1e-12)) / SILENCE_DB));
  }

  /** Turns it on or off, and opens it if necessary; resolves to whether that succeeded. */
  async listen(isWanted: boolean, place = this.place): Promise<boolean> {
    this.isWanted = isWanted;
    this.place = place;
    if (isWanted && !this.track && this.state !== "opening") await this.open(this.deviceId);
    this.settle();
    return (this.state === "on") === isWanted;
  }

  /** Switches to another device, which is unmuted if the previous one was. */
  async choose(deviceId: string): Promise<void> {
    this.deviceId = deviceId;
    if (this.state !== "off") await this.open(deviceId);
    this.settle();
  }

  /** Releases it, so that the browser's indicator disappears. */
  close(): void {
    this.attempt += 1;
    this.isWanted = false;
    this.drop();
    this.state = "off";
    this.notify();
  }

  dismiss(): void {
    this.problem = null;
    this.notify();
  }

  private async open(deviceId: string | null): Promise<void> {
    this.attempt += 1;
    const attempt = this.attempt;
    this.problem = hindrance();
    if (this.problem) {
      this.notify();
      return;
    }
    this.state = "opening";
    this.notify();
    try {
      const track = (await openDevice(deviceId)).getAudioTracks()[0];
      if (!track) throw new DOMException("", "NotFoundError");
      if (attempt !== this.attempt) {
        track.stop();
        return;
      }
      this.drop();
      // stay muted until it is wanted
      track.enabled = false;
      this.track = track;
      track.onended = () => this.onUnplugged(track);
      this.deviceId = track.getSettings().deviceId ?? deviceId;
      this.measure(track);
      await this.publish();
    } catch (error) {
      if (attempt !== this.attempt) return;
      this.drop();
      this.problem = problemOf(error);
    }
    this.state = this.track ? "muted" : "off";
    void this.onDevices();
  }

  /** Publishes, unpublishes or mutes the track as wanted. */
  private settle(): void {
    const { track } = this;
    if (track && this.state !== "opening") {
      track.enabled = this.isWanted;
      this.state = this.isWanted ? "on" : "muted";
      clearTimeout(this.releaseTimer);
      if (!this.isWanted) this.releaseTimer = setTimeout(() => this.close(), RELEASE_MS);
    }
    this.notify();
  }

  private async publish(): Promise<void> {
    const { handle } = this.room;
    this.handle = handle;
    if (!handle) throw new Error("this page is not in the avatar's room.");
    await handle.publishMicrophone(this.track);
  }

  private drop(): void {
    clearTimeout(this.releaseTimer);
    if (!this.track) return;
    void this.handle?.publishMicrophone(null).catch(() => undefined);
    this.track.onended = null;
    this.track.stop();
    this.track = null;
    this.analyser = null;
    void this.context?.close();
    this.context = null;
  }

  private measure(track: MediaStreamTrack): void {
    this.context = new AudioContext();
    this.analyser = this.context.createAnalyser();
    this.analyser.fftSize = LEVEL_SAMPLES;
    this.context.createMediaStreamSource(new MediaStream([track])).connect(this.analyser);
  }

  private onUnplugged(track: MediaStreamTrack): void {
    if (this.track !== track) return;
    this.close();
    this.deviceId = null;
    this.problem = { title: "The microphone was taken away.", remedy: "Plug it in, or turn on another." };
    this.notify();
  }

  /** Called when the room is gone, or was joined again. */
  private readonly onRoom = (): void => {
    const { handle, news } = this.room;
    if (this.state === "off") return;
    if (news.state === "left" || news.state === "unreachable" || news.state === "replaced") this.close();
    else if (this.track && handle && handle !== this.handle && news.state === "joined") {
      this.publish().catch(() => this.close());
    }
  };

  private readonly onDevices = async (): Promise<void> => {
    const all = (await navigator.mediaDevices?.enumerateDevices()) ?? [];
    this.devices = all
      .filter(({ kind, deviceId, label }) => kind === "audioinput" && deviceId !== "" && label !== "")
      .map(({ deviceId, label }) => ({ id: deviceId, name: label }));
    this.notify();
  };

  private notify(): void {
    for (const slot of [...this.slots]) slot();
  }
}

/** Replaces a device that is gone with the system's default. */
async function openDevice(deviceId: string | null): Promise<MediaStream> {
  const constraints = { echoCancellation: true, noiseSuppression: true, autoGainControl: true };
  const { mediaDevices } = navigator;
  if (deviceId === null) return mediaDevices.getUserMedia({ audio: constraints });
  try {
    return await mediaDevices.getUserMedia({ audio: { ...constraints, deviceId: { exact: deviceId } } });
  } catch (error) {
    if (!(error instanceof DOMException) || !["OverconstrainedError", "NotFoundError"].includes(error.name)) throw error;
    return mediaDevices.getUserMedia({ audio: constraints });
  }
}
