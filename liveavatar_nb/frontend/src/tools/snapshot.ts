/** Takes a picture of the stage, as PNG, and sends it to Python. */
import type { Link } from "../link/link";
import type { Picturing } from "../room/media/types";
import { type Backdrop, sizeOf } from "./backdrop";
import { PART_BYTES } from "../limits";
import { inParts } from "../link/parts";

export interface Snapshot {
  blob: Blob;
  width: number;
  height: number;
}

/** Takes a PNG at the picture's own size, transparent if the key has no background; null without a picture. */
export async function takeSnapshot(picture: Picturing, backdrop: Backdrop): Promise<Snapshot | null> {
  const { width, height } = sizeOf(picture);
  if (width === 0 || height === 0) return null;
  const keyed = backdrop.canvas;
  const canvas = keyed ?? Object.assign(document.createElement("canvas"), { width, height });
  // a WebGL canvas keeps its picture only until the browser composes it, so draw and read it in one go
  if (keyed) backdrop.redraw();
  else canvas.getContext("2d")?.drawImage(picture, 0, 0);
  const blob = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve, "image/png"));
  return blob && { blob, width, height };
}

/** Sends it; `request` is Python's, or empty for the page's own button. Resolves to whether Python got it all. */
export async function sendSnapshot(link: Link, request: string, { blob, width, height }: Snapshot): Promise<boolean> {
  for await (const part of inParts(blob, PART_BYTES)) {
    if (!(await link.request("snapshot", { request, width, height, ...part, problem: null }))) return false;
  }
  return true;
}

export function refuseSnapshot(link: Link, request: string, problem: string): void {
  link.send("snapshot", { request, width: 0, height: 0, part: 0, parts: 1, data: "", problem });
}
