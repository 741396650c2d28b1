/** The sound of a room as one track that stays, while the room's own tracks come and go. */
import type { SharedRoom } from "../room/media/types";

/** A browser that lets no sound be made without a click leaves the mixer asleep: it is waited for so long. */
const WAKE_MS = 300;

export class Mixer {
  private context: AudioContext | null = null;
  private output: MediaStreamAudioDestinationNode | null = null;
  private readonly inputs = new Map<MediaStreamTrack, MediaStreamAudioSourceNode>();
  private unlisten: () => void = () => undefined;

  constructor(private readonly room: SharedRoom) {}

  /** The track; where the browser does not let us mix, the room's own of this moment, if there is one. */
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
    // A recorder waits for the first of each track: where the room has no sound, for silence.
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
