/** The pictures of drawn faces, requested with the command `face`. */
import type { Link } from "../link/link";

/** How long to wait for Python to draw them, in milliseconds. */
const LIMIT_MS = 10_000;

/** The mouth from closed to wide open, then closed eyes; empty if there are none. */
export type FacePictures = readonly HTMLImageElement[];

const kept = new WeakMap<Link, Map<string, Promise<FacePictures>>>();

export function facePictures(link: Link, avatarId: string): Promise<FacePictures> {
  let faces = kept.get(link);
  if (!faces) kept.set(link, (faces = new Map()));
  let face = faces.get(avatarId);
  if (!face) {
    faces.set(avatarId, (face = requestFace(link, avatarId)));
    // the next face requests missing pictures again
    void face.then(({ length }) => length > 0 || faces.delete(avatarId));
  }
  return face;
}

function requestFace(link: Link, avatarId: string): Promise<FacePictures> {
  return new Promise((resolve) => {
    const unsubscribe = link.subscribe((message, buffers) => {
      if (message.type !== "face" || message.avatar_id !== avatarId) return;
      end();
      void Promise.all(buffers.map((bytes) => decode(bytes, message.media_type))).then(resolve, () => resolve([]));
    });
    const timer = setTimeout(() => {
      end();
      resolve([]);
    }, LIMIT_MS);
    const end = (): void => {
      clearTimeout(timer);
      unsubscribe();
    };
    link.send("face", { avatar_id: avatarId });
  });
}

async function decode(bytes: DataView | ArrayBuffer, mediaType: string): Promise<HTMLImageElement> {
  if (!/^image\/[\w.+-]+$/.test(mediaType)) throw new Error("no picture");
  const url = URL.createObjectURL(new Blob([bytes as BlobPart], { type: mediaType }));
  try {
    const image = new Image();
    image.src = url;
    await image.decode();
    return image;
  } finally {
    URL.revokeObjectURL(url);
  }
}
