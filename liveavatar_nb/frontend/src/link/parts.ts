/** Bytes on their way to Python, as text in parts. */

export interface Part {
  part: number;
  parts: number;
  /** Base64. */
  data: string;
}

/** A blob part by part, each read when it is asked for; an empty one has one empty part. */
export async function* inParts(blob: Blob, size: number): AsyncGenerator<Part> {
  const parts = Math.max(1, Math.ceil(blob.size / size));
  for (let part = 0; part < parts; part += 1) {
    const bytes = new Uint8Array(await blob.slice(part * size, (part + 1) * size).arrayBuffer());
    yield { part, parts, data: base64(bytes) };
  }
}

/** Of so many bytes a text is made at a time: a call takes only so many arguments. */
const STRETCH = 0x8000;

export function base64(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += STRETCH) text += String.fromCharCode(...bytes.subarray(at, at + STRETCH));
  return btoa(text);
}
