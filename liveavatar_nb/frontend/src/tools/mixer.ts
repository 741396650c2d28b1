/** A room's sound as one permanent track, while the room's own tracks come and go. */
import type { SharedRoom } from "../room/media/types";

/** How long to wait for the mixer: a browser that allows no sound without a click keeps it suspended. */
const WAKE_MS = 300;

export class Mixer {
  private context: AudioContext | null = null;
  private output: MediaStreamAudioDestinationNode | null = null;
  private readonly inputs = new Map<MediaStreamTrack, MediaStreamAudioSourceNode>();
  private unlisten: () => void = () => undefined;

  constructor(private readonly room: SharedRoom) {}

  /** Returns the track; if the browser does not allow mixing, the room's current track, if any. */
  async open(): Promise<MediaStreamTrack | null> {
    const context = new AudioContext();
    const awake = context.resume().catch(() => undefined);
    await Promise.race([awake, new Promise((resolve) => setTimeout(resolve, WAKE_MS))]);
    if (context.state !== "running") {
      void context.close();
      return this.room.stream.getAudioTracks()[0] ?? null;
    }
    this.context = context;
    this.output = context.createMediaStreamDestination();
    // a recorder waits for the first data of each track: without sound in the room it needs silence
    const silence = new ConstantSourceNode(context, { offset: 0 });
    silence.connect(this.output);
    silence.start();
    this.unlisten = this.room.onChange(() => this.connect());
    this.connect();
    return this.output.stream.getAudioTracks()[0] ?? null;
  }

  close(): void {
    this.unlisten();
    this.inputs.clear();
    void this.context?.close();
    this.context = null;
  }

  private connect(): void {
    const { context, output } = this;
    if (!context || !output) return;
    const tracks = this.room.stream.getAudioTracks();
    for (const [track, input] of this.inputs) {
      if (tracks.includes(track)) continue;
      input.disconnect();
      this.inputs.delete(track);
    }
    for (const track of tracks) {
      if (this.inputs.has(track)) continue;
      const input = context.createMediaStreamSource(new MediaStream([track]));
      input.connect(output);
      this.inputs.set(track, input);
    }
  }
}
