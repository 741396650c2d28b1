/** Plays the avatar's speech: a track of a room, or PCM of a drawn one, through the same graph. */
import { SAMPLE_RATE } from "../limits";

/** Audio contexts by sample rate; 0 is the device's own rate. */
const graphs = new Map<number, { context: AudioContext; users: number }>();

/** The delay before playing, in seconds, so that the next piece arrives before this one ends. */
const LEAD_S = 0.06;
/** The longest queue in seconds; more is not real-time sound, and is dropped. */
const QUEUE_LIMIT_S = 10;
/** The duration of a volume change, in seconds; an instant change would click. */
const FADE_S = 0.01;
/** The RMS of loud speech, at which the mouth is wide open. */
const LOUD_RMS = 0.16;
/** Events that a browser accepts as permission to play sound. */
const GESTURES = ["pointerup", "keydown"];

function acquire(rate: number): AudioContext {
  let graph = graphs.get(rate);
  if (!graph) {
    graph = { context: new AudioContext(rate ? { sampleRate: rate } : { latencyHint: "interactive" }), users: 0 };
    graphs.set(rate, graph);
  }
  graph.users += 1;
  return graph.context;
}

function release(rate: number): void {
  const graph = graphs.get(rate);
  if (!graph) return;
  graph.users -= 1;
  if (graph.users > 0) return;
  graphs.delete(rate);
  void graph.context.close();
}

export class Loudspeaker {
  private readonly rate: number;
  private readonly context: AudioContext;
  private readonly gain: GainNode;
  private readonly analyser: AnalyserNode;
  private readonly window: Float32Array<ArrayBuffer>;
  private source: MediaStreamAudioSourceNode | null = null;
  /** Chromium passes a room's sound into a graph only while an element plays it. */
  private readonly sink = new Audio();
  private outlet: MediaStreamAudioDestinationNode | null = null;
  private pieces = new Set<AudioBufferSourceNode>();
  private nextAt = 0;

  constructor(
    kind: "track" | "pcm",
    private readonly changed: () => void,
  ) {
    this.rate = kind === "pcm" ? SAMPLE_RATE : 0;
    this.context = acquire(this.rate);
    this.gain = this.context.createGain();
    this.analyser = this.context.createAnalyser();
    this.analyser.fftSize = 1024;
    this.window = new Float32Array(this.analyser.fftSize);
    this.analyser.connect(this.gain).connect(this.context.destination);
    if (kind === "pcm") {
      this.outlet = this.context.createMediaStreamDestination();
      this.analyser.connect(this.outlet);
    }
    this.sink.muted = true;
    this.context.addEventListener("statechange", this.changed);
    for (const name of GESTURES) document.addEventListener(name, this.onGesture, true);
    void this.start();
  }

  close(): void {
    this.context.removeEventListener("statechange", this.changed);
    for (const name of GESTURES) document.removeEventListener(name, this.onGesture, true);
    this.setTrack(null);
    this.forget();
    this.analyser.disconnect();
    this.gain.disconnect();
    release(this.rate);
  }

  /** Whether the browser allows sound. */
  get isOpen(): boolean {
    return this.context.state === "running";
  }

  /** Whether PCM is playing, or about to. */
  get isPlaying(): boolean {
    return this.pieces.size > 0;
  }

  /** The sound of the PCM, as a track for a recording. */
  get track(): MediaStreamTrack | null {
    return this.outlet?.stream.getAudioTracks()[0] ?? null;
  }

  /** Resolves at once if the browser allows sound, otherwise with the click that allows it. */
  async start(): Promise<void> {
    if (this.context.state !== "closed") await this.context.resume().catch(() => undefined);
  }

  setVolume(volume: number): void {
    const { currentTime } = this.context;
    this.gain.gain.cancelScheduledValues(currentTime);
    this.gain.gain.setTargetAtTime(volume, currentTime, FADE_S / 4);
  }

  setTrack(track: MediaStreamTrack | null): void {
    this.source?.disconnect();
    this.source = null;
    this.sink.srcObject = null;
    if (!track) return;
    const stream = new MediaStream([track]);
    this.sink.srcObject = stream;
    void this.sink.play().catch(() => undefined);
    this.source = this.context.createMediaStreamSource(stream);
    this.source.connect(this.analyser);
  }

  /** Queues 16-bit PCM for playing. */
  push(bytes: DataView | ArrayBuffer): void {
    const view = bytes instanceof DataView ? bytes : new DataView(bytes);
    const length = view.byteLength >> 1;
    // a suspended graph would keep all of it, and play it later
    if (!this.isOpen || length === 0) return;
    const { context } = this;
    const from = Math.max(this.nextAt, context.currentTime + LEAD_S);
    if (from - context.currentTime > QUEUE_LIMIT_S) return;
    const buffer = context.createBuffer(1, length, SAMPLE_RATE);
    const samples = buffer.getChannelData(0);
    for (let at = 0; at < length; at += 1) samples[at] = view.getInt16(at * 2, true) / 0x8000;
    const piece = context.createBufferSource();
    piece.buffer = buffer;
    piece.connect(this.analyser);
    piece.onended = () => {
      this.pieces.delete(piece);
      if (this.pieces.size === 0) this.changed();
    };
    piece.start(from);
    this.pieces.add(piece);
    this.nextAt = from + length / SAMPLE_RATE;
    if (this.pieces.size === 1) this.changed();
  }

  /** Drops the sound in the queue. */
  forget(): void {
    for (const piece of this.pieces) {
      piece.onended = null;
      piece.stop();
      piece.disconnect();
    }
    this.pieces.clear();
    this.nextAt = 0;
  }

  /** The loudness from 0 to 1, before the volume. */
  loudness(): number {
    if (!this.isOpen) return 0;
    this.analyser.getFloatTimeDomainData(this.window);
    let sum = 0;
    for (const sample of this.window) sum += sample * sample;
    return Math.min(1, Math.sqrt(sum / this.window.length) / LOUD_RMS);
  }

  /** Any click on the page allows sound. */
  private readonly onGesture = (): void => {
    if (!this.isOpen) void this.start();
  };
}
