/**
 * The part of JupyterLab's `Kernel.IKernelConnection` (@jupyterlab/services 7) that the page uses.
 * Voilà's and Notebook 7's are the same class; other hosts have no `kernel` on their widget manager.
 */

export interface Signal<T> {
  connect(slot: (sender: unknown, value: T) => void): boolean;
  disconnect(slot: (sender: unknown, value: T) => void): boolean;
}

export interface KernelComm {
  readonly isDisposed: boolean;
  /** Resolves once the comm's subshell runs; never if the kernel has none. */
  readonly subshellStarted?: Promise<void>;
  onClose?: (message: unknown) => void;
  open(data: object): unknown;
  send(data: object): unknown;
  close(): unknown;
  dispose(): void;
}

export interface Kernel {
  readonly id: string;
  readonly clientId: string;
  readonly status: string;
  readonly connectionStatus: string;
  readonly isDisposed: boolean;
  readonly info?: Promise<unknown>;
  readonly supportsSubshells?: boolean;
  readonly statusChanged: Signal<string>;
  readonly connectionStatusChanged: Signal<string>;
  readonly disposed: Signal<void>;
  createComm(target: string): KernelComm;
}

/** Returns the kernel behind a widget manager; null if the host exposes none. */
export function kernelOf(manager: unknown): Kernel | null {
  try {
    const kernel = (manager as { kernel?: Kernel | null } | null)?.kernel;
    return kernel && typeof kernel.createComm === "function" ? kernel : null;
  } catch {
    // JupyterLab's getter throws once the manager has been disposed.
    return null;
  }
}

const PAST = new Set(["restarting", "autorestarting", "terminating", "dead"]);

/** Whether a kernel status means that the Python process that made the widget is gone. */
export function isPast(status: string): boolean {
  return PAST.has(status);
}
