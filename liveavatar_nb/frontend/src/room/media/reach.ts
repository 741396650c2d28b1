/**
 * Checks whether a room can be reached. A browser writes the address of a failed request to its console, and
 * livekit-client has the token in its addresses, so the host is tried first without it.
 */

/** How long to wait for an answer, in milliseconds. */
const PROBE_LIMIT_MS = 3000;
/** A host that has answered is not checked again for this long. */
const FRESH_MS = 1000;

/** When each host last answered. */
const answeredAt = new Map<string, number>();

export async function answers(address: string | URL): Promise<boolean> {
  const { host, protocol } = new URL(address);
  if (performance.now() - (answeredAt.get(host) ?? -Infinity) < FRESH_MS) return true;
  try {
    const signal = AbortSignal.timeout(PROBE_LIMIT_MS);
    const root = `${protocol.replace(/^ws/, "http")}//${host}/`;
    await globalThis.fetch(root, { mode: "no-cors", credentials: "omit", cache: "no-store", signal });
  } catch {
    return false;
  }
  answeredAt.set(host, performance.now());
  return true;
}
