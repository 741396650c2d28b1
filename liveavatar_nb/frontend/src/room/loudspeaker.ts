/** What the avatar says, to this page's ears: a track of a room, or PCM of a drawn one; one graph for both. */
import { SAMPLE_RATE } from "../limits";
import { shared } from "../shared";

/** By sample rate; 0 is the device's own. */
const graphs = shared("sound", () => new Map<number, { context: AudioContext; users: number }>());

/** What comes is played so much later, in seconds: the next piece is there before this one is over. */
const LEAD_S = 0.06;
/** More than that waiting is not sound in real time: it is dropped, in seconds. */
const QUEUE_LIMIT_S = 10;
/** Longest time of a change of the volume, in seconds: none at all would click. */
const FADE_S = 0.01;
/** RMS of loud speech; a mouth is open at that. */
const LOUD_RMS = 0.16;
/** What a browser takes for a person's leave to make sound. */
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
  /** Chromium lets a room's sound into a graph only while an element plays it. */
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

  /** The browser lets sound out. */
  get isOpen(): boolean {
    return this.context.state === "running";
  }

  /** PCM is being played, or about to be. */
  get isPlaying(): boolean {
    return this.pieces.size > 0;
  }

  /** What PCM makes, as a track for a recording. */
  get track(): MediaStreamTrack | null {
    return this.outlet?.stream.getAudioTracks()[0] ?? null;
  }

  /** Settles at once where the browser allows it, and else with the click that does. */
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

  /** 16-bit PCM, which is played behind what came before. */
  push(bytes: DataView | ArrayBuffer): void {
    const view = bytes instanceof DataView ? bytes : new DataView(bytes);
    const length = view.byteLength >> 1;
    // A graph that stands still would keep all of it, and say it later.
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

  /** What waits to be played is not. */
  forget(): void {
    for (const piece of this.pieces) {
      piece.onended = null;
      piece.stop();
      piece.disconnect();
    }
    this.pieces.clear();
    this.nextAt = 0;
  }

  /** From 0 to 1, before the volume. */
  loudness(): number {
    if (!this.isOpen) return 0;
    this.analyser.getFloatTimeDomainData(this.window);
    let sum = 0;
    for (const sample of this.window) sum += sample * sample;
    return Math.min(1, Math.sqrt(sum / this.window.length) / LOUD_RMS);
  }

  /** Any click on the page is a leave for sound. */
  private readonly onGesture = (): void => {
    if (!this.isOpen) void this.start();
  };
}
