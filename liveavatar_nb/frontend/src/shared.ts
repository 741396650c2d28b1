/** Objects shared by all widgets of a page, although the loader is loaded for each, and each version of the front end. */
const HOME = Symbol.for("liveavatar_nb");

/** Returns the page's object of this name; the first script that asks creates it. */
export function shared<T>(name: string, make: () => T): T {
  const page = globalThis as unknown as Record<symbol, Record<string, unknown> | undefined>;
  const parts = (page[HOME] ??= {});
  return (parts[name] ??= make()) as T;
}
