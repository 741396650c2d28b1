/**
 * Replaces the browser's WebSocket and fetch for livekit-client (see build.mjs). It keeps the token out of addresses,
 * because the browser writes addresses that fail to its console.
 */
import { answers } from "./reach";

type On = ((event: Event) => void) | null;

/** A WebSocket that opens once its host has answered, so that nothing is sent to a host that is gone. */
class DiscreetSocket extends EventTarget {
  static readonly CLOSED = globalThis.WebSocket.CLOSED;
  binaryType: BinaryType = "blob";
  onopen: On = null;
  onmessage: On = null;
  onerror: On = null;
  onclose: On = null;
  private socket: WebSocket | null = null;
  private isClosed = false;

  constructor(address: string, protocols: string[]) {
    super();
    void this.open(address, protocols);
  }

  get readyState(): number {
    return this.socket?.readyState ?? (this.isClosed ? globalThis.WebSocket.CLOSED : globalThis.WebSocket.CONNECTING);
  }

  get protocol(): string {
    return this.socket?.protocol ?? "";
  }

  get extensions(): string {
    return this.socket?.extensions ?? "";
  }

  send(data: Uint8Array<ArrayBuffer>): void {
    this.socket?.send(data);
  }

  close(code?: number, reason?: string): void {
    if (this.socket) this.socket.close(code, reason);
    else this.giveUp();
  }

  private async open(address: string, protocols: string[]): Promise<void> {
    const isThere = await answers(address);
    if (this.isClosed) return;
    if (!isThere) {
      this.giveUp();
      return;
    }
    const socket = new globalThis.WebSocket(address, protocols);
    this.socket = socket;
    socket.binaryType = this.binaryType;
    socket.onopen = () => this.fire(new Event("open"));
    socket.onmessage = ({ data }) => this.fire(new MessageEvent("message", { data }));
    socket.onerror = () => this.fire(new Event("error"));
    socket.onclose = ({ code, reason, wasClean }) => this.fire(new CloseEvent("close", { code, reason, wasClean }));
  }

  /** Behaves like a WebSocket that could not connect. */
  private giveUp(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.fire(new Event("error"));
    this.fire(new CloseEvent("close", { code: 1006 }));
  }

  private fire(event: Event): void {
    this[`on${event.type as "open" | "message" | "error" | "close"}`]?.(event);
    this.dispatchEvent(event);
  }
}

/** A fetch with the token in a header. */
function fetchDiscreetly(address: string | URL, init: RequestInit = {}): Promise<Response> {
  const url = new URL(address);
  const token = url.searchParams.get("access_token");
  if (token === null) return globalThis.fetch(url, init);
  url.searchParams.delete("access_token");
  const headers = new Headers(init.headers);
  headers.set("Authorization", `Bearer ${token}`);
  return globalThis.fetch(url, { ...init, headers });
}

export { DiscreetSocket as WebSocket, fetchDiscreetly as fetch };
