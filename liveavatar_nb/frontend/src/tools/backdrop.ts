/** The avatar's background: the original, or one that replaces the key colour. */
import type { Picturing } from "../room/media/types";
import { type Behind, type Key, Keyer, NoWebGL } from "./chroma";
import { type Colour, fromHex, GREEN, groundOf } from "./colours";

export type BackdropKind = "original" | "nothing" | "colour" | "picture";

/** The largest size of a background picture, in pixels. */
const PICTURE_WIDTH = 1920;
/** The drawing interval in milliseconds for canvases, and for videos of hidden pages: they report no frames. */
const CANVAS_FRAME_MS = 40;
/** The size of the picture in which the corners are sampled. */
const SMALL = { width: 64, height: 36 };
/** Left, top, width and height in that picture: above and beside a head there is only background. */
const PATCHES: readonly [number, number, number, number][] = [
  [1, 1, 8, 6],
  [55, 1, 8, 6],
  [1, 12, 5, 6],
  [58, 12, 5, 6],
];

/** The user's choices; all views of a widget share them, and they outlive each view. */
export class Look {
  kind: BackdropKind = "original";
  key: Key = { colour: GREEN, similarity: 0.35, smoothness: 0.4, spill: 0.8 };
  /** Whether the key colour was found in the video, or chosen. */
  isKeyKnown = false;
  /** The background of kind `colour`. */
  colour = "#1f2540";
  /** The background of kind `picture`. */
  picture: HTMLCanvasElement | null = null;
  pictureName = "";
  /** Why there is no key, or the result of the last action. */
  words: string | null = null;
}

export class Backdrop {
  /** The number of frames drawn since the key was switched on. */
  frames = 0;
  private source: Picturing | null = null;
  private keyer: Keyer | null = null;
  private isSeen = true;
  private keepers = 0;
  private cancel: (() => void) | null = null;
  private readonly sight = new IntersectionObserver((entries) => {
    this.isSeen = entries.at(-1)?.isIntersecting ?? true;
    this.follow();
  });

  /** `changed` is called when `look` was changed here; then each view that shares it has to `refresh`. */
  constructor(
    readonly look: Look,
    private readonly onReplace: (canvas: HTMLCanvasElement | null) => void,
    private readonly changed: () => void,
  ) {
    document.addEventListener("visibilitychange", this.follow);
  }

  /** The canvas that is shown; null if the picture itself is. */
  get canvas(): HTMLCanvasElement | null {
    return this.keyer && this.source ? this.keyer.canvas : null;
  }

  close(): void {
    document.removeEventListener("visibilitychange", this.follow);
    this.sight.disconnect();
    this.drop();
  }

  setSource(source: Picturing | null): void {
    if (this.source === source) return;
    this.drop();
    this.source = source;
    this.refresh();
  }

  /** Applies `look`. */
  refresh(): void {
    if (this.look.kind === "original" || !this.source) this.drop();
    else if (!this.keyer) this.begin();
    this.redraw();
  }

  use(kind: BackdropKind): void {
    this.wish({ kind });
  }

  tune(change: Partial<Key>): void {
    this.wish({ key: { ...this.look.key, ...change }, isKeyKnown: this.look.isKeyKnown || "colour" in change });
  }

  setColour(colour: string): void {
    this.wish({ kind: "colour", colour });
  }

  /** Sets a picture file as the background; it stays in this page. */
  async setPicture(file: File): Promise<void> {
    try {
      const read = await createImageBitmap(file);
      const scale = Math.min(1, PICTURE_WIDTH / read.width);
      const canvas = document.createElement("canvas");
      canvas.width = Math.max(1, Math.round(read.width * scale));
      canvas.height = Math.max(1, Math.round(read.height * scale));
      canvas.getContext("2d")?.drawImage(read, 0, 0, canvas.width, canvas.height);
      read.close();
      this.wish({ kind: "picture", picture: canvas, pictureName: file.name });
    } catch {
      this.wish({ words: `${file.name} is no picture that the browser can read.` });
    }
  }

  /** Sets the key to the colour on which the corners agree. */
  keyFromCorners(): void {
    const found = this.cornerColour();
    if (found) this.tune({ colour: found });
    else this.wish({ words: "The corners show no plain colour: pick the background in the video." });
  }

  /** Sets the key to the colour at a point, given as fractions of the picture's width and height. */
  keyFrom(x: number, y: number): void {
    const left = Math.min(SMALL.width - 1, Math.floor(x * SMALL.width));
    const top = Math.min(SMALL.height - 1, Math.floor(y * SMALL.height));
    const pixel = this.shrink()?.getImageData(left, top, 1, 1).data;
    if (pixel) this.tune({ colour: mean(pixel) });
  }

  /** Draws frames even if nobody sees them, for a recording, until the returned function is called. */
  keepDrawing(): () => void {
    this.keepers += 1;
    this.follow();
    return () => {
      this.keepers -= 1;
      this.follow();
    };
  }

  /** Draws the newest frame. */
  readonly redraw = (): void => {
    const { source, keyer } = this;
    if (!source || !keyer) return;
    const { width, height } = sizeOf(source);
    if (width === 0 || height === 0) return;
    keyer.draw(source, width, height, this.look.key, this.behind());
    this.frames += 1;
  };

  private wish(change: Partial<Look>): void {
    Object.assign(this.look, { words: null }, change);
    this.changed();
  }

  private behind(): Behind {
    const { kind, colour, picture } = this.look;
    if (kind === "colour") return fromHex(colour);
    return kind === "picture" ? picture : null;
  }

  private begin(): void {
    try {
      this.keyer = new Keyer();
    } catch (error) {
      if (!(error instanceof NoWebGL)) throw error;
      this.look.kind = "original";
      this.look.words = "This browser has no WebGL, which taking the background out needs.";
      return;
    }
    this.frames = 0;
    if (!this.look.isKeyKnown) {
      const colour = this.cornerColour();
      if (colour) Object.assign(this.look, { key: { ...this.look.key, colour }, isKeyKnown: true });
      else this.look.words = "The corners show no plain colour: pick the background in the video.";
    }
    this.onReplace(this.keyer.canvas);
    this.sight.observe(this.keyer.canvas);
    this.follow();
  }

  private drop(): void {
    this.cancel?.();
    this.cancel = null;
    if (!this.keyer) return;
    this.sight.unobserve(this.keyer.canvas);
    this.onReplace(null);
    this.keyer.close();
    this.keyer = null;
  }

  /** Draws each frame of the picture as long as it is visible. */
  private readonly follow = (): void => {
    this.cancel?.();
    this.cancel = null;
    const { source } = this;
    if (!source || !this.keyer) return;
    const isKept = this.keepers > 0;
    if (!isKept && (document.hidden || !this.isSeen)) return;
    const next = (): void => {
      this.redraw();
      this.follow();
    };
    if (source instanceof HTMLVideoElement && "requestVideoFrameCallback" in source && !document.hidden) {
      const id = source.requestVideoFrameCallback(next);
      this.cancel = () => source.cancelVideoFrameCallback(id);
    } else {
      const timer = setTimeout(next, CANVAS_FRAME_MS);
      this.cancel = () => clearTimeout(timer);
    }
  };

  private cornerColour(): Colour | null {
    const small = this.shrink();
    return small && groundOf(PATCHES.map((patch) => mean(small.getImageData(...patch).data)));
  }

  private shrink(): CanvasRenderingContext2D | null {
    if (!this.source || sizeOf(this.source).width === 0) return null;
    const context = Object.assign(document.createElement("canvas"), SMALL).getContext("2d", { willReadFrequently: true });
    context?.drawImage(this.source, 0, 0, SMALL.width, SMALL.height);
    return context;
  }
}

/** The picture's size in pixels; 0 before the first frame. */
export function sizeOf(source: Picturing): { width: number; height: number } {
  if (source instanceof HTMLVideoElement) return { width: source.videoWidth, height: source.videoHeight };
  return { width: source.width, height: source.height };
}

function mean(pixels: Uint8ClampedArray): Colour {
  const sums: [number, number, number] = [0, 0, 0];
  for (let at = 0; at < pixels.length; at += 4) {
    for (const one of [0, 1, 2] as const) sums[one] += pixels[at + one] ?? 0;
  }
  const [red, green, blue] = sums.map((sum) => (4 * sum) / pixels.length / 255);
  return [red ?? 0, green ?? 0, blue ?? 0];
}
