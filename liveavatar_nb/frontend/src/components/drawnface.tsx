/** A face that the page draws itself: the mouth follows the sound, or just moves while the avatar talks. */
import { useEffect, useRef } from "preact/hooks";
import { facePictures, type FacePictures } from "../room/faces";
import type { Link } from "../link/link";
import type { Room } from "../room/room";
import { hue } from "./face";

const WIDTH = 1280;
const HEIGHT = 720;
/** Frames per second of a moving mouth. */
const RATE = 25;
/** The time between two blinks and the length of one, in milliseconds. */
const BLINK_EVERY_MS = 4200;
const BLINK_MS = 130;

interface Props {
  room: Room;
  link: Link;
  avatarId: string;
  name: string;
  /** Whether the simulator has drawings of this avatar. */
  hasPictures: boolean;
  isTalking: boolean;
  /** Called with the canvas once it is drawn, and with null when it is gone. */
  onCanvas: (canvas: HTMLCanvasElement | null) => void;
}

export function DrawnFace({ room, link, avatarId, name, hasPictures, isTalking, onCanvas }: Props) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const drawing = useRef<Drawing | null>(null);
  useEffect(() => {
    const element = canvas.current;
    const pen = element?.getContext("2d");
    if (!element || !pen) return undefined;
    const made = new Drawing(pen, room, hue(name || avatarId));
    drawing.current = made;
    let isGone = false;
    const pictures = hasPictures ? facePictures(link, avatarId) : Promise.resolve([]);
    void pictures.then((found) => {
      if (isGone) return;
      made.begin(found);
      onCanvas(element);
    });
    return () => {
      isGone = true;
      drawing.current = null;
      made.end();
      onCanvas(null);
    };
  }, [room, link, avatarId, name, hasPictures]);
  useEffect(() => drawing.current?.move(isTalking || room.isSounding), [isTalking, room.isSounding, avatarId]);
  return <canvas class="lv-picture lv-drawn" width={WIDTH} height={HEIGHT} ref={canvas} aria-hidden="true" />;
}

class Drawing {
  private pictures: FacePictures | null = null;
  private isMoving = false;
  private isBlinking = false;
  private opening = 0;
  private shown = "";
  private frame: number | undefined;
  private frameAt = 0;
  private blink: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly pen: CanvasRenderingContext2D,
    private readonly room: Room,
    private readonly tint: number,
  ) {}

  begin(pictures: FacePictures): void {
    this.pictures = pictures;
    this.draw();
    if (!matchMedia("(prefers-reduced-motion: reduce)").matches) this.blinkLater();
  }

  end(): void {
    if (this.frame !== undefined) cancelAnimationFrame(this.frame);
    clearTimeout(this.blink);
  }

  move(isMoving: boolean): void {
    this.isMoving = isMoving;
    if (isMoving) this.frame ??= requestAnimationFrame(this.onFrame);
  }

  private readonly onFrame = (now: number): void => {
    this.frame = undefined;
    if (now - this.frameAt >= 900 / RATE) {
      this.frameAt = now;
      const target = this.isMoving ? this.target(now) : 0;
      // it opens at once and closes gradually, as lips do
      this.opening = Math.max(target, this.opening * 0.6);
      if (this.opening < 0.02) this.opening = 0;
      this.draw();
    }
    if (this.isMoving || this.opening > 0) this.frame = requestAnimationFrame(this.onFrame);
  };

  /** The mouth's opening: from the sound if the page has it, otherwise made up. */
  private target(now: number): number {
    if (this.room.isSounding) return this.room.loudness();
    if (this.room.kind === "drawn" && this.room.canPlayAudio) return 0;
    const at = now / 1000;
    return Math.max(0, 0.45 * Math.sin(at * 11) + 0.35 * Math.sin(at * 17.3) + 0.2 * Math.sin(at * 2.1));
  }

  private blinkLater(): void {
    this.blink = setTimeout(() => {
      this.isBlinking = !this.isBlinking;
      this.draw();
      this.blinkLater();
    }, this.isBlinking ? BLINK_MS : BLINK_EVERY_MS * (0.6 + 0.8 * Math.random()));
  }

  private draw(): void {
    const { pictures, pen } = this;
    if (!pictures) return;
    const mouths = pictures.length - 1;
    const steps = mouths > 0 ? mouths - 1 : 8;
    const mouth = Math.round(this.opening * steps);
    const closed = this.isBlinking && mouth === 0;
    const key = `${mouth} ${closed}`;
    if (key === this.shown) return;
    this.shown = key;
    const picture = closed ? pictures[mouths] : pictures[mouth];
    if (picture) pen.drawImage(picture, 0, 0, WIDTH, HEIGHT);
    else bust(pen, this.tint, mouth / steps, closed);
  }
}

/** A face without drawings: head and shoulders in one hue. */
function bust(pen: CanvasRenderingContext2D, tint: number, opening: number, closed: boolean): void {
  const shade = (saturation: number, light: number): string => `hsl(${tint} ${saturation}% ${light}%)`;
  const ground = pen.createRadialGradient(640, 250, 60, 640, 330, 820);
  ground.addColorStop(0, shade(34, 40));
  ground.addColorStop(1, shade(42, 14));
  pen.fillStyle = ground;
  pen.fillRect(0, 0, WIDTH, HEIGHT);
  pen.fillStyle = shade(36, 26);
  pen.beginPath();
  pen.moveTo(300, 720);
  pen.bezierCurveTo(310, 590, 470, 560, 560, 530);
  pen.lineTo(720, 530);
  pen.bezierCurveTo(810, 560, 970, 590, 980, 720);
  pen.fill();
  pen.fillStyle = shade(26, 62);
  pen.beginPath();
  pen.roundRect(575, 430, 130, 140, 60);
  pen.fill();
  pen.fillStyle = shade(30, 20);
  pen.beginPath();
  pen.ellipse(640, 270, 168, 190, 0, 0, 2 * Math.PI);
  pen.fill();
  pen.fillStyle = shade(28, 74);
  pen.beginPath();
  pen.ellipse(640, 310, 140, 180, 0, 0, 2 * Math.PI);
  pen.fill();
  pen.fillStyle = shade(30, 20);
  pen.beginPath();
  pen.moveTo(495, 262);
  pen.bezierCurveTo(520, 70, 760, 70, 785, 262);
  pen.bezierCurveTo(720, 200, 560, 200, 495, 262);
  pen.fill();
  pen.fillStyle = pen.strokeStyle = shade(30, 18);
  pen.lineWidth = 8;
  pen.lineCap = "round";
  for (const x of [585, 695]) {
    pen.beginPath();
    if (closed) {
      pen.moveTo(x - 15, 306);
      pen.quadraticCurveTo(x, 316, x + 15, 306);
      pen.stroke();
    } else {
      pen.arc(x, 304, 13, 0, 2 * Math.PI);
      pen.fill();
    }
  }
  pen.fillStyle = shade(45, 24);
  pen.beginPath();
  pen.ellipse(640, 410 + opening * 8, 42 - opening * 8, 5 + opening * 34, 0, 0, 2 * Math.PI);
  pen.fill();
}
