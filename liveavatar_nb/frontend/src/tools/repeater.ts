/** Redraws a canvas that changes rarely, so that a recorder keeps getting frames. */

const FRAME_MS = 40;

export class Repeater {
  readonly canvas: HTMLCanvasElement;
  private readonly pen: CanvasRenderingContext2D | null;

  constructor(private readonly original: HTMLCanvasElement) {
    const { width, height } = original;
    this.canvas = Object.assign(document.createElement("canvas"), { width, height });
    this.pen = this.canvas.getContext("2d");
    this.draw();
  }

  /** Draws until the returned function is called. */
  readonly run = (): (() => void) => {
    const timer = setInterval(() => this.draw(), FRAME_MS);
    return () => clearInterval(timer);
  };

  private draw(): void {
    this.pen?.drawImage(this.original, 0, 0);
  }
}
