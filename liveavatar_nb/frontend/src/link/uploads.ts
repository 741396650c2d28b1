/** File uploads to Python: one after the other, in parts, each sent after the previous one was acknowledged. */
import type { SoundLimits } from "../contract";
import type { SendRequest } from "./commands";
import { inParts, type Part } from "./parts";
import { megabytes } from "../words";

export interface Upload {
  id: string;
  name: string;
  size: number;
  /** Bytes that Python has received. */
  sent: number;
}

export interface Refusal {
  title: string;
  detail: string;
  remedy: string;
}

let count = 0;

export class Uploads {
  /** Why files were not sent, or not completely. */
  refusal: Refusal | null = null;
  private waiting: { upload: Upload; file: File }[] = [];
  private isSending = false;

  constructor(
    private readonly sendRequest: SendRequest,
    private readonly limits: () => SoundLimits,
    private readonly changed: () => void,
  ) {}

  get all(): readonly Upload[] {
    return this.waiting.map(({ upload }) => upload);
  }

  add(files: Iterable<File>): void {
    this.refusal = null;
    for (const file of files) {
      const refusal = this.refusalOf(file);
      if (refusal) {
        this.refusal = refusal;
        continue;
      }
      count += 1;
      const id = `${Date.now().toString(36)}-${count}`;
      this.waiting.push({ upload: { id, name: file.name, size: file.size, sent: 0 }, file });
    }
    this.changed();
    if (!this.isSending) void this.sendAll();
  }

  cancel(id: string): void {
    if (!this.waiting.some(({ upload }) => upload.id === id)) return;
    this.forget(id);
    void this.sendRequest("cancel_upload", { upload: id });
  }

  /** Python has received all of it, or refuses the rest. */
  over(id: string): void {
    this.forget(id);
  }

  dismiss(): void {
    this.refusal = null;
    this.changed();
  }

  close(): void {
    this.waiting = [];
  }

  private forget(id: string): void {
    this.waiting = this.waiting.filter(({ upload }) => upload.id !== id);
    this.changed();
  }

  private refusalOf(file: File): Refusal | null {
    const { bytes } = this.limits();
    const title = `${file.name} was not added.`;
    if (file.size === 0) return { title, detail: "It is empty, or a folder.", remedy: "Drop a sound file." };
    if (file.size <= bytes) return null;
    return {
      title,
      detail: `It is ${megabytes(file.size)}; a file dropped here can be at most ${megabytes(bytes)}.`,
      remedy: "Put it next to the notebook: sound files in that folder appear in this list.",
    };
  }

  private async sendAll(): Promise<void> {
    this.isSending = true;
    for (let next = this.waiting[0]; next; next = this.waiting.find((entry) => entry.upload.sent < entry.upload.size)) {
      await this.sendOne(next.upload, next.file);
    }
    this.isSending = false;
  }

  private async sendOne(upload: Upload, file: File): Promise<void> {
    const size = this.limits().part;
    const parts = inParts(file, size);
    for (;;) {
      let next: IteratorResult<Part>;
      try {
        next = await parts.next();
      } catch {
        this.fail(upload, "The browser cannot read it.");
        return;
      }
      if (next.done || !this.waiting.some((entry) => entry.upload === upload)) return;
      if (!(await this.sendRequest("add_sound", { upload: upload.id, name: upload.name, ...next.value }))) {
        this.fail(upload, "The kernel did not take it in.");
        return;
      }
      upload.sent = Math.min(file.size, (next.value.part + 1) * size);
      this.changed();
    }
  }

  private fail(upload: Upload, detail: string): void {
    if (!this.waiting.some((entry) => entry.upload === upload)) return;
    this.refusal = { title: `${upload.name} was not added.`, detail, remedy: "Add it again." };
    this.forget(upload.id);
  }
}
