/** This page's rows of the wire log; Python sends new ones while they are shown. */
import type { Problem, Timing, WireRow } from "../contract";
import { WATCHED, WIRE_ENTRIES } from "../limits";
import type { Send } from "./commands";

const POLL_MS = (WATCHED / 3) * 1000;

/** A row, and the text to search in. */
export interface KeptRow extends WireRow {
  haystack: string;
}

export class WireRows {
  /** Sorted by `seq`, oldest first. A new array after each change. */
  rows: readonly KeptRow[] = [];
  timings: readonly Timing[] = [];
  /** Rows that Python no longer has. */
  dropped = 0;
  /** Whether Python has answered at all. */
  isKnown = false;
  savedPath: string | null = null;
  problem: Problem | null = null;
  private change = 0;
  private watchers = 0;
  private timer: ReturnType<typeof setInterval> | undefined;

  constructor(
    private readonly send: Send,
    private readonly changed: () => void,
  ) {}

  /** Keeps the log up to date until the returned function is called. */
  watch(): () => void {
    this.watchers += 1;
    if (this.watchers === 1) {
      this.poll();
      this.timer = setInterval(() => this.poll(), POLL_MS);
    }
    return () => {
      this.watchers -= 1;
      if (this.watchers === 0) clearInterval(this.timer);
    };
  }

  receive(rows: readonly WireRow[]): void {
    if (rows.length === 0) return;
    const known = new Map(this.rows.map((row) => [row.seq, row]));
    for (const row of rows) {
      if ((known.get(row.seq)?.change ?? -1) > row.change) continue;
      known.set(row.seq, { ...row, haystack: `${row.name} ${row.note} ${row.payload ?? ""}`.toLowerCase() });
    }
    this.rows = [...known.values()].sort((row, other) => row.seq - other.seq).slice(-WIRE_ENTRIES);
  }

  arrive(change: number, timings: readonly Timing[], dropped: number): void {
    this.change = Math.max(this.change, change);
    this.timings = timings;
    this.dropped = dropped;
    this.isKnown = true;
  }

  saved(path: string | undefined, problem: Problem | undefined): void {
    this.savedPath = path ?? null;
    this.problem = problem ?? null;
  }

  dismiss(): void {
    this.saved(undefined, undefined);
    this.changed();
  }

  close(): void {
    clearInterval(this.timer);
  }

  private poll(): void {
    this.send("wire", { since: this.change });
  }
}
