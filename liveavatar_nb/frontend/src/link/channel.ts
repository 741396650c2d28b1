/**
 * The control channel: a comm that the page opens and on which Python never sends, so that its messages reach a
 * subshell's thread while a cell runs. There is one for each kernel connection, for all widgets and views.
 */
import { type Kernel, type KernelComm, isPast } from "./kernel";
import { shared } from "../shared";

const channels = shared("channels", () => new Map<string, ControlChannel>());

const TARGET = "liveavatar_nb.control";
/** How long to wait for a kernel's description and its subshell, in milliseconds. */
const SUBSHELL_LIMIT_MS = 1500;

function within(promise: Promise<unknown>, limitMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(false), limitMs);
    promise.then(
      () => {
        clearTimeout(timer);
        resolve(true);
      },
      () => {
        clearTimeout(timer);
        resolve(false);
      },
    );
  });
}

export class ControlChannel {
  private views = 0;
  private opening: Promise<KernelComm | null> | null = null;

  private constructor(
    private readonly key: string,
    private readonly kernel: Kernel,
  ) {
    kernel.statusChanged.connect(this.onStatus);
    kernel.connectionStatusChanged.connect(this.onConnection);
  }

  /** Returns the channel of a kernel connection and counts its users; `release` gives it back. */
  static acquire(kernel: Kernel): ControlChannel {
    const key = `${kernel.id}/${kernel.clientId}`;
    let channel = channels.get(key);
    if (!channel) {
      channel = new ControlChannel(key, kernel);
      channels.set(key, channel);
    }
    channel.views += 1;
    return channel;
  }

  release(): void {
    this.views -= 1;
    if (this.views > 0) return;
    channels.delete(this.key);
    this.kernel.statusChanged.disconnect(this.onStatus);
    this.kernel.connectionStatusChanged.disconnect(this.onConnection);
    this.drop(true);
  }

  /** Sends a message; returns false if that is impossible, and an ordinary message must be sent. */
  async send(data: object): Promise<boolean> {
    try {
      const comm = await (this.opening ??= this.open());
      if (comm && !comm.isDisposed) {
        comm.send(data);
        return true;
      }
    } catch {
      // The kernel or the comm is gone. The caller sends an ordinary message, and the next call opens a new comm.
    }
    this.drop(false);
    return false;
  }

  private async open(): Promise<KernelComm | null> {
    const { kernel } = this;
    if (kernel.isDisposed || isPast(kernel.status)) return null;
    const comm = kernel.createComm(TARGET);
    comm.onClose = () => this.drop(false);
    // Before the subshell runs, an opening would wait behind the running cell, and the later messages on the
    // subshell would overtake it and be lost.
    if (kernel.info) await within(kernel.info, SUBSHELL_LIMIT_MS);
    if (kernel.supportsSubshells && comm.subshellStarted) {
      if (!(await within(comm.subshellStarted, SUBSHELL_LIMIT_MS))) {
        comm.dispose();
        return null;
      }
    }
    comm.open({});
    return comm;
  }

  private drop(close: boolean): void {
    const { opening } = this;
    this.opening = null;
    if (!close) return;
    void opening?.then(
      (comm) => {
        if (comm && !comm.isDisposed && !this.kernel.isDisposed) comm.close();
      },
      () => undefined,
    );
  }

  private readonly onStatus = (_: unknown, status: string): void => {
    if (isPast(status)) this.drop(false);
  };

  private readonly onConnection = (_: unknown, status: string): void => {
    if (status !== "connected") this.drop(true);
  };
}
