import { useEffect, useState } from "preact/hooks";

/** A timer may fire a little early, and a clock drawn then would still show the previous second. */
const EARLY_MS = 2;

/**
 * Returns performance.now(), and redraws every `everyMs` milliseconds while `active`. The intervals count from `since`,
 * so that a clock of whole seconds since then is redrawn exactly when it changes.
 */
export function useNow(active: boolean, everyMs: number, since = 0): number {
  const [now, setNow] = useState(() => performance.now());
  useEffect(() => {
    if (!active) return undefined;
    let timer: ReturnType<typeof setTimeout>;
    const tick = (): void => {
      const at = performance.now();
      setNow(at);
      const into = (((at - since) % everyMs) + everyMs) % everyMs;
      timer = setTimeout(tick, everyMs - into + EARLY_MS);
    };
    tick();
    return () => clearTimeout(timer);
  }, [active, everyMs, since]);
  return active ? Math.max(now, performance.now()) : now;
}

/** An id unique on the page; Preact's own ids start over in each widget. */
export function useId(): string {
  const [id] = useState(() => `lv-${crypto.getRandomValues(new Uint32Array(2)).join("-")}`);
  return id;
}
