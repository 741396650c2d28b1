/** Lets the user pick a point of the picture on the stage by a click. */
import type { Picturing } from "../room/media/types";
import { sizeOf } from "./backdrop";

/** Fractions of the picture's width and height. */
export interface Point {
  x: number;
  y: number;
}

/**
 * Waits for a click on `shown`, the element with the picture, and calls `picked` once with its point, or with null
 * after Escape or a click elsewhere. The returned function cancels it without a call.
 */
export function pickPoint(shown: HTMLElement, picture: Picturing, picked: (point: Point | null) => void): () => void {
  const end = (): void => {
    document.removeEventListener("pointerdown", onPress, { capture: true });
    document.removeEventListener("click", onClick, { capture: true });
    document.removeEventListener("keydown", onKey, { capture: true });
    shown.classList.remove("lv-picking");
  };
  // elements over the picture, such as a play button, must not receive the click
  const onPress = (event: PointerEvent): void => {
    if (pointOf(event, shown, picture)) event.stopPropagation();
  };
  const onClick = (event: MouseEvent): void => {
    const point = pointOf(event, shown, picture);
    if (point) {
      event.stopPropagation();
      event.preventDefault();
    }
    end();
    picked(point);
  };
  const onKey = (event: KeyboardEvent): void => {
    if (event.key !== "Escape") return;
    event.stopPropagation();
    event.preventDefault();
    end();
    picked(null);
  };
  shown.classList.add("lv-picking");
  document.addEventListener("pointerdown", onPress, { capture: true });
  document.addEventListener("click", onClick, { capture: true });
  document.addEventListener("keydown", onKey, { capture: true });
  return end;
}

/** An event's point in the picture, as the style sheet fits it into the element; null outside the picture. */
function pointOf(event: MouseEvent, shown: HTMLElement, picture: Picturing): Point | null {
  const box = shown.getBoundingClientRect();
  const { width, height } = sizeOf(picture);
  const inside = event.clientX >= box.left && event.clientX < box.right && event.clientY >= box.top && event.clientY < box.bottom;
  if (!inside || width === 0 || height === 0) return null;
  const { objectFit, objectPosition } = getComputedStyle(shown);
  const ratios = [box.width / width, box.height / height] as const;
  const scale = objectFit === "cover" ? Math.max(...ratios) : objectFit === "contain" ? Math.min(...ratios) : null;
  const [across, down] = scale === null ? ratios : [scale, scale];
  const [left, top] = objectPosition.split(" ").map((part) => (Number.parseFloat(part) || 0) / 100);
  const x = (event.clientX - box.left - (box.width - width * across) * (left ?? 0.5)) / (width * across);
  const y = (event.clientY - box.top - (box.height - height * down) * (top ?? 0.5)) / (height * down);
  return x >= 0 && x < 1 && y >= 0 && y < 1 ? { x, y } : null;
}
