/** Records the stage with the avatar's sound, and sends it to Python while recording. */
import type { SharedRoom } from "../room/media/types";
import { CLICKED_MEGABYTES, CLICKED_SECONDS } from "../limits";
import type { SendRequest } from "../link/commands";
import { limit, megabytes } from "../words";
import { Mixer } from "./mixer";
import { Outbox } from "./outbox";

export interface RecordLimits {
  /** Limits of a recording's length in seconds, and of its size. */
  seconds: number;
  bytes: number;
}

/** The limits for the page's own button. */
export const BUTTON_LIMITS: RecordLimits = { seconds: CLICKED_SECONDS, bytes: CLICKED_MEGABYTES * 2 ** 20 };
/** Ten minutes of both are 188 MB. */
const VIDEO_BITS_PER_S = 2_500_000;
const AUDIO_BITS_PER_S = 128_000;
/** The interval at which the browser delivers recorded data, in milliseconds. */
const SLICE_MS = 1000;
/** The recording ends if Python is more than this many bytes behind. */
const BACKLOG_BYTES = 32e6;
/** Frames per second of a canvas. */
const CANVAS_RATE = 25;
/** Formats by preference: VP8 takes the least computing, and older Safari has only the last. */
const MEDIA_TYPES = ["video/webm;codecs=vp8,opus", "video/webm", "video/mp4"];

export interface RecordSource {
  room: SharedRoom;
  /** The canvas shown in place of the room's video; null for the room's own track. */
  canvas: HTMLCanvasElement | null;
  /** Keeps drawing the canvas until the returned function is called. */
  keepDrawing: () => () => void;
}

/** A recording, from its first frame until Python has received it all. */
class Take {
  bytes = 0;
  isCancelled = false;
  /** Its length in seconds; null while it runs. */
  seconds: number | null = null;
  readonly since = performance.now();
  readonly outbox: Outbox;
  /** The size of the largest slice so far; the next one may be as large. */
  private slice = 0;
  private isFull = false;
  private readonly timer: ReturnType<typeof setTimeout>;
  private readonly unlisten: () => void;

  constructor(
    readonly request: string,
    private readonly media: MediaRecorder,
    private readonly limits: RecordLimits,
    room: SharedRoom,
    isThere: () => boolean,
    sendRequest: SendRequest,
    private readonly onOver: (words: string | null) => void,
    private readonly release: () => void,
  ) {
    this.outbox = new Outbox((out) => {
      const problem = out.is_last && this.bytes === 0 ? "Nothing came to be recorded." : null;
      return sendRequest("recording", { request, ...out, seconds: this.secondsAt(performance.now()), problem });
    });
    media.ondataavailable = ({ data }) => this.receive(data);
    media.onerror = () => this.stop("The browser broke it off: what was recorded was kept.");
    media.onstop = () => {
      // it also stops by itself when its tracks end
      this.over("The video ended: what was recorded was kept.");
      this.outbox.close();
      this.release();
    };
    media.start(SLICE_MS);
    const whole = limit(limits.seconds);
    this.timer = setTimeout(() => this.stop(`It was ended at its limit of ${whole}, and kept.`), limits.seconds * 1000);
    this.unlisten = room.onChange(() => {
      if (!isThere()) this.stop("The video ended: what was recorded was kept.");
    });
  }

  secondsAt(now: number): number {
    return this.seconds ?? Math.max(0, (now - this.since) / 1000);
  }

  stop(words: string | null): void {
    this.over(words);
    if (this.media.state !== "inactive") this.media.stop();
  }

  private over(words: string | null): void {
    if (this.seconds !== null) return;
    this.seconds = this.secondsAt(performance.now());
    clearTimeout(this.timer);
    this.unlisten();
    this.onOver(words);
  }

  private receive(data: Blob): void {
    const { bytes } = this.limits;
    // a recording without its tail still plays, but one with a hole would not
    if (this.isFull || this.bytes + data.size > bytes) {
      this.isFull = true;
      this.stop(`It was ended at its limit of ${megabytes(bytes)}, and kept.`);
      return;
    }
    this.bytes += data.size;
    this.slice = Math.max(this.slice, data.size);
    this.outbox.put(data);
    if (this.bytes + 2 * this.slice > bytes) this.stop(`It was ended at its limit of ${megabytes(bytes)}, and kept.`);
    else if (this.outbox.backlog > BACKLOG_BYTES) {
      this.stop(`The kernel took nothing in while ${megabytes(this.outbox.backlog)} waited: it was ended there.`);
    }
  }
}

export class Recorder {
  state: "idle" | "starting" | "recording" | "saving" = "idle";
  /** Why the last recording ended or failed to start, if nobody asked for that. */
  words: string | null = null;
  private take: Take | null = null;
  /** The request about to start, as long as it is wanted. */
  private awaited: string | null = null;

  constructor(
    private readonly sendRequest: SendRequest,
    private readonly changed: () => void,
  ) {}

  get bytes(): number {
    return this.take?.bytes ?? 0;
  }

  /** The length in seconds at a given performance.now(). */
  secondsAt(now: number): number {
    return this.take?.secondsAt(now) ?? 0;
  }

  /** Starts a recording; `request` identifies it to Python, which also receives any failure. */
  async start(request: string, limits: RecordLimits, source: RecordSource | null): Promise<void> {
    if (this.state !== "idle") {
      this.refuse(request, "A recording runs already.");
      return;
    }
    this.words = null;
    if (!source || typeof MediaRecorder === "undefined") {
      this.words = source ? "This browser cannot record." : "There is no video to record yet.";
      this.refuse(request, this.words);
      return;
    }
    this.state = "starting";
    this.awaited = request;
    this.changed();
    const mixer = new Mixer(source.room);
    const stopDrawing = source.keepDrawing();
    let painted: MediaStreamTrack | undefined;
    const release = (): void => {
      painted?.stop();
      mixer.close();
      stopDrawing();
    };
    try {
      const sound = await mixer.open();
      if (this.awaited === null) {
        release();
        this.state = "idle";
        this.changed();
        return;
      }
      const video = (source.canvas ? source.canvas.captureStream(CANVAS_RATE) : source.room.stream).getVideoTracks()[0];
      if (!video) throw new Error("The video is gone.");
      if (source.canvas) painted = video;
      const tracks = sound ? [video, sound] : [video];
      const isThere = isThereOf(source, video);
      const media = recorderOf(tracks);
      const take = new Take(request, media, limits, source.room, isThere, this.sendRequest, this.onOver, release);
      this.take = take;
      this.state = "recording";
      void take.outbox.done.then((isTaken) => this.onDone(take, isTaken));
    } catch (error) {
      release();
      this.state = "idle";
      this.words = `It cannot be recorded: ${error instanceof Error ? error.message : String(error)}`;
      this.refuse(request, this.words);
    }
    this.changed();
  }

  /** Ends the recording and sends the rest. `words`: the reason, if nobody asked for the end. */
  stop(words: string | null = null): void {
    this.awaited = null;
    this.take?.stop(words);
  }

  /** Stops the recording of this request. */
  stopOf(request: string): void {
    if (this.take?.request === request || this.awaited === request) this.stop();
  }

  /** Ends the recording and discards it. */
  cancel(): void {
    const { take } = this;
    if (!take) return;
    take.isCancelled = true;
    take.outbox.drop();
    take.stop(null);
    void this.sendRequest("cancel_recording", { request: take.request });
  }

  dismiss(): void {
    this.words = null;
    this.changed();
  }

  private refuse(request: string, problem: string): void {
    void this.sendRequest("recording", { request, part: 0, data: "", is_last: true, seconds: 0, problem });
    this.changed();
  }

  private readonly onOver = (words: string | null): void => {
    this.words = words;
    this.state = "saving";
    this.changed();
  };

  private onDone(take: Take, isTaken: boolean): void {
    if (!isTaken && !take.isCancelled) {
      take.stop(null);
      this.words = "The kernel took nothing in any more: the end of it is lost.";
    }
    this.take = null;
    this.state = "idle";
    this.changed();
  }
}

/** Whether the recorded picture is still on the stage. */
function isThereOf({ room, canvas }: RecordSource, video: MediaStreamTrack): () => boolean {
  if (room.kind === "drawn") return () => true;
  // the face is drawn as long as the room cannot be reached
  if (room.news.state === "unreachable") return () => room.news.state === "unreachable";
  return () =>
    (room.news.state === "joined" || room.news.state === "reconnecting") &&
    (canvas !== null || room.stream.getVideoTracks().includes(video));
}

function recorderOf(tracks: MediaStreamTrack[]): MediaRecorder {
  const mimeType = MEDIA_TYPES.find((type) => MediaRecorder.isTypeSupported(type));
  return new MediaRecorder(new MediaStream(tracks), {
    ...(mimeType ? { mimeType } : {}),
    videoBitsPerSecond: VIDEO_BITS_PER_S,
    audioBitsPerSecond: AUDIO_BITS_PER_S,
  });
}
