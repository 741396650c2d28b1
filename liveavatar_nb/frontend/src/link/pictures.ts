/** Pictures that only the kernel can reach: requested in batches, kept as blob: addresses, shared by all views. */
import type { Send } from "./commands";

/** Scrolling reveals cards one by one; one message requests all pictures of this interval. */
const BATCH_MS = 60;
const BATCH_SIZE = 24;
/** After this time, a picture that has not arrived may be requested again. */
const PATIENCE_MS = 10_000;

interface Kept {
  url: string;
  mediaType: string;
  bytes: number;
}

export class Pictures {
  private readonly kept = new Map<string, Kept>();
  private readonly askedAt = new Map<string, number>();
  private readonly wanted = new Set<string>();
  private readonly received = new Set<string>();
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly send: Send,
    private readonly changed: () => void,
  ) {}

  get(avatarId: string): string | undefined {
    return this.kept.get(avatarId)?.url;
  }

  want(avatarId: string): void {
    const askedAt = this.askedAt.get(avatarId);
    if (this.kept.has(avatarId) || (askedAt !== undefined && performance.now() - askedAt < PATIENCE_MS)) return;
    this.wanted.add(avatarId);
    this.schedule();
  }

  /** Requests missing pictures again, after the connection was lost. */
  askAgain(): void {
    for (const avatarId of this.askedAt.keys()) if (!this.kept.has(avatarId)) this.wanted.add(avatarId);
    if (this.wanted.size) this.schedule();
  }

  receive(avatarId: string, mediaType: string, bytes: DataView | ArrayBuffer | undefined): void {
    this.received.add(avatarId);
    this.schedule();
    if (!bytes || !/^image\/[\w.+-]+$/.test(mediaType)) return;
    const before = this.kept.get(avatarId);
    if (before && before.bytes === bytes.byteLength && before.mediaType === mediaType) return;
    if (before) URL.revokeObjectURL(before.url);
    // only ever shown in an <img>, where an SVG's scripts do not run
    const url = URL.createObjectURL(new Blob([bytes as BlobPart], { type: mediaType }));
    this.kept.set(avatarId, { url, mediaType, bytes: bytes.byteLength });
    this.changed();
  }

  close(): void {
    clearTimeout(this.timer);
    for (const { url } of this.kept.values()) URL.revokeObjectURL(url);
    this.kept.clear();
  }

  private schedule(): void {
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      this.flush();
    }, BATCH_MS);
  }

  private flush(): void {
    if (this.received.size) {
      this.send("received", { avatar_ids: [...this.received] });
      this.received.clear();
    }
    const wanted = [...this.wanted];
    this.wanted.clear();
    const now = performance.now();
    for (const avatarId of wanted) this.askedAt.set(avatarId, now);
    for (let first = 0; first < wanted.length; first += BATCH_SIZE) {
      this.send("pictures", { avatar_ids: wanted.slice(first, first + BATCH_SIZE) });
    }
  }
}
