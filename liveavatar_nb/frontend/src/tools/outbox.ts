/** Sends a recording to Python: parts in order, each after the previous one was acknowledged. */
import { PART_BYTES } from "../limits";
import { base64 } from "../link/parts";

export interface Outgoing {
  part: number;
  /** Base64; empty if only the end is left to report. */
  data: string;
  is_last: boolean;
}

export class Outbox {
  /** Bytes that Python has not received yet. */
  backlog = 0;
  /** Resolves to whether Python has received all of it. */
  readonly done: Promise<boolean>;
  private waiting: Blob[] = [];
  private isClosed = false;
  private isDropped = false;
  private wake: () => void = () => undefined;

  constructor(private readonly send: (out: Outgoing) => Promise<boolean>) {
    this.done = this.run();
  }

  put(blob: Blob): void {
    this.waiting.push(blob);
    this.backlog += blob.size;
    this.wake();
  }

  /** Marks the end: no more data will be added. */
  close(): void {
    this.isClosed = true;
    this.wake();
  }

  /** Stops sending. */
  drop(): void {
    this.isDropped = true;
    this.waiting = [];
    this.wake();
  }

  private async run(): Promise<boolean> {
    for (let part = 0; ; part += 1) {
      while (this.waiting.length === 0 && !this.isClosed && !this.isDropped) {
        await new Promise<void>((resolve) => (this.wake = resolve));
      }
      const blob = this.next();
      const isLast = this.isClosed && this.waiting.length === 0;
      const data = base64(new Uint8Array(await blob.arrayBuffer()));
      if (this.isDropped || !(await this.send({ part, data, is_last: isLast }))) return false;
      this.backlog -= blob.size;
      if (isLast) return true;
    }
  }

  private next(): Blob {
    const all = new Blob(this.waiting);
    this.waiting = all.size > PART_BYTES ? [all.slice(PART_BYTES)] : [];
    return all.slice(0, PART_BYTES);
  }
}
