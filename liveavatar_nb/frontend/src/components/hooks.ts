import { useEffect, useState } from "preact/hooks";

/** A timer may fire a little before its time: a clock that is drawn then would still show the second before. */
const EARLY_MS = 2;

/**
 * performance.now(), drawn anew while `active`: every `everyMs` milliseconds, counted from `since`, so that what
 * counts whole seconds from there is drawn when it changes, and no more often.
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

/** A name that no other widget of the page has: Preact's own count from the start in each. */
export function useId(): string {
  const [id] = useState(() => `lv-${crypto.getRandomValues(new Uint32Array(2)).join("-")}`);
  return id;
}
