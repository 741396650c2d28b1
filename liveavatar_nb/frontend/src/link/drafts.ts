/** Typed text that is not sent or saved yet. It outlives the tab, the view and the cell's output. */
import type { ContextDetail, Line, Problem, Utterance } from "../contract";
import type { SendRequest } from "./commands";

/** A problem that appears this long after a text was sent, in milliseconds, has another cause. */
const DOUBT_MS = 15_000;

export interface Edit {
  prompt: string;
  opening_text: string;
}

export interface Fresh extends Edit {
  name: string;
}

export class Drafts {
  /** The text to say or to ask. */
  text = "";
  /** The context being written for the next session; null if there is none. */
  fresh: Fresh | null = null;
  private readonly edits = new Map<string, Edit>();
  /** The text sent last, while it may still be refused. */
  private sent: { text: string; at: number } | null = null;

  constructor(
    private readonly sendRequest: SendRequest,
    private readonly changed: () => void,
  ) {}

  write(text: string): void {
    this.text = text;
    this.changed();
  }

  /** Sends the text; if Python refuses it, it returns to the field. */
  send(command: "say" | "ask"): void {
    const text = this.text.trim();
    this.sent = { text, at: performance.now() };
    this.text = "";
    void this.sendRequest(command, { text }).then((acked) => {
      if (!acked) this.takeBack(text);
    });
    this.changed();
  }

  /** Python reported a problem with speech, so a text that was just sent is not spoken. */
  onProblem(problem: Problem | null): void {
    const { sent } = this;
    if (problem && sent && performance.now() - sent.at < DOUBT_MS) this.takeBack(sent.text);
  }

  /** The current or past utterances. */
  onSpeech(speech: readonly Utterance[], transcript: readonly Line[]): void {
    const text = this.sent?.text;
    if ([...speech, ...transcript].some((spoken) => spoken.text === text)) this.sent = null;
  }

  private takeBack(text: string): void {
    if (this.sent?.text === text) this.sent = null;
    if (this.text.includes(text)) return;
    this.text = this.text ? `${text}\n${this.text}` : text;
    this.changed();
  }

  editOf(context: ContextDetail): Edit {
    return this.edits.get(context.id) ?? { prompt: context.prompt, opening_text: context.opening_text };
  }

  isEdited(context: ContextDetail): boolean {
    const edit = this.edits.get(context.id);
    return edit !== undefined && (edit.prompt !== context.prompt || edit.opening_text !== context.opening_text);
  }

  edit(context: ContextDetail, change: Partial<Edit>): void {
    this.edits.set(context.id, { ...this.editOf(context), ...change });
    this.changed();
  }

  discard(context: ContextDetail): void {
    this.edits.delete(context.id);
    this.changed();
  }

  /** Python has the context as it was sent; changes since then are still unsaved. */
  saved(contextId: string, sent: Edit): void {
    const edit = this.edits.get(contextId);
    if (edit?.prompt === sent.prompt && edit.opening_text === sent.opening_text) this.edits.delete(contextId);
  }

  writeFresh(fresh: Fresh | null): void {
    this.fresh = fresh;
    this.changed();
  }
}
