/** Voice previews: requested by a click, one at a time, and discarded after playing. */
import type { Problem } from "../contract";
import type { SendRequest } from "./commands";

/** How long to wait for a preview, in milliseconds. */
const LIMIT_MS = 20_000;

export class Previews {
  voiceId: string | null = null;
  state: "none" | "loading" | "playing" = "none";
  /** Why the voice requested last cannot be heard. */
  problem: string | null = null;
  private sound: HTMLAudioElement | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly sendRequest: SendRequest,
    private readonly changed: () => void,
  ) {}

  play(voiceId: string): void {
    this.stop();
    this.voiceId = voiceId;
    this.state = "loading";
    this.problem = null;
    this.timer = setTimeout(() => this.fail(voiceId, "It did not come in time."), LIMIT_MS);
    void this.sendRequest("voice", { voice_id: voiceId }).then((acked) => {
      if (!acked) this.fail(voiceId, "The kernel did not respond.");
    });
    this.changed();
  }

  receive(voiceId: string, mediaType: string, buffer: DataView | ArrayBuffer | undefined, problem?: Problem): void {
    if (voiceId !== this.voiceId || this.state !== "loading") return;
    if (!buffer || problem) {
      this.fail(voiceId, problem ? problem.detail || problem.title : "It has no sound.");
      return;
    }
    clearTimeout(this.timer);
    const sound = new Audio(URL.createObjectURL(new Blob([buffer as BlobPart], { type: mediaType })));
    this.sound = sound;
    this.state = "playing";
    sound.onended = () => this.stop();
    const refused = (): void => {
      if (sound === this.sound) this.fail(voiceId, "This page does not play it.");
    };
    sound.onerror = refused;
    sound.play().catch(refused);
    this.changed();
  }

  stop(): void {
    clearTimeout(this.timer);
    if (this.sound) {
      const { src } = this.sound;
      this.sound.onended = null;
      this.sound.onerror = null;
      this.sound.pause();
      this.sound = null;
      URL.revokeObjectURL(src);
    }
    if (this.state === "none") return;
    this.state = "none";
    this.changed();
  }

  private fail(voiceId: string, words: string): void {
    if (voiceId !== this.voiceId || this.state === "none") return;
    this.stop();
    this.problem = words;
    this.changed();
  }
}
