/** Splits bytes for Python into parts of text. */

export interface Part {
  part: number;
  parts: number;
  /** Base64. */
  data: string;
}

/** Yields a blob's parts, each read on demand; an empty blob has one empty part. */
export async function* inParts(blob: Blob, size: number): AsyncGenerator<Part> {
  const parts = Math.max(1, Math.ceil(blob.size / size));
  for (let part = 0; part < parts; part += 1) {
    const bytes = new Uint8Array(await blob.slice(part * size, (part + 1) * size).arrayBuffer());
    yield { part, parts, data: base64(bytes) };
  }
}

/** How many bytes are converted per call, because a call accepts only so many arguments. */
const STRETCH = 0x8000;

export function base64(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += STRETCH) text += String.fromCharCode(...bytes.subarray(at, at + STRETCH));
  return btoa(text);
}
