/**
 * Whether a room can be reached. A browser writes the address of what fails to its console, and livekit-client has the
 * token in its addresses: so it is first asked without.
 */

/** An address that does not answer by then, in milliseconds, is out of reach. */
const PROBE_LIMIT_MS = 3000;
/** Who has answered is not asked again for so long. */
const FRESH_MS = 1000;

/** When each host answered last. */
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
