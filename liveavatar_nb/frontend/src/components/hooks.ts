import { useEffect, useState } from "preact/hooks";

/** performance.now(), drawn anew every `everyMs` milliseconds while `active`. */
export function useNow(active: boolean, everyMs: number): number {
  const [now, setNow] = useState(() => performance.now());
  useEffect(() => {
    if (!active) return undefined;
    setNow(performance.now());
    const timer = setInterval(() => setNow(performance.now()), everyMs);
    return () => clearInterval(timer);
  }, [active, everyMs]);
  return active ? Math.max(now, performance.now()) : now;
}
