/** What is one for a page, however many widgets are on it: each model has its own instance of this script. */
const HOME = Symbol.for("liveavatar_nb");

/** What this page has by that name; the first script that asks makes it. */
export function shared<T>(name: string, make: () => T): T {
  const page = globalThis as unknown as Record<symbol, Record<string, unknown> | undefined>;
  const parts = (page[HOME] ??= {});
  return (parts[name] ??= make()) as T;
}
