/** A virtual grid: of a thousand cards, only those in the visible rows are in the page. */
import type { RefObject } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";

/** The minimum width of a card, in pixels. */
const CARD_PX = 94;
/** The gap between cards and around them, as in the style sheet. */
const GAP_PX = 9;
const EDGE_PX = 4;
/** How far above and below the visible part rows are rendered and their pictures requested. */
const AHEAD_PX = 240;
/** The space above a card that is scrolled into view. */
const ABOVE_PX = 8;

interface Shape {
  columns: number;
  /** The height of a card; 0 until it is measured. */
  height: number;
  /** The rendered rows: from `first` up to, but not including, `end`. */
  first: number;
  end: number;
}

const UNMEASURED: Shape = { columns: 1, height: 0, first: 0, end: 0 };

export interface Grid extends Shape {
  /** The style of the element that holds the cards. */
  style: Record<string, string>;
  onScroll: () => void;
  /** Scrolls the frame, and nothing around it, until the card is visible. */
  reveal: (index: number) => void;
}

/** `frame` scrolls and holds `count` cards; it may be missing if there are none. */
export function useGrid(frame: RefObject<HTMLElement>, count: number): Grid {
  const [shape, setShape] = useState(UNMEASURED);
  const { columns, height } = shape;
  /** The first visible card, which stays in view when the number of columns changes. */
  const anchor = useRef(0);

  const measure = (): void => {
    const box = frame.current;
    const card = box?.querySelector<HTMLElement>('[role="option"]');
    if (!box || !card || card.offsetHeight === 0) return;
    const width = box.clientWidth - 2 * EDGE_PX;
    const columns = Math.max(1, Math.floor((width + GAP_PX) / (CARD_PX + GAP_PX)));
    // the picture is square, and the text below it has the same height for any number of columns
    const under = card.offsetHeight - card.offsetWidth;
    const height = Math.round((width - (columns - 1) * GAP_PX) / columns) + under;
    const pitch = height + GAP_PX;
    const first = Math.max(0, Math.floor((box.scrollTop - AHEAD_PX) / pitch));
    const end = Math.ceil((box.scrollTop + box.clientHeight + AHEAD_PX) / pitch);
    setShape((before) =>
      before.columns === columns && before.height === height && before.first === first && before.end === end
        ? before
        : { columns, height, first, end },
    );
  };
  const onScroll = (): void => {
    const box = frame.current;
    if (box && height > 0) anchor.current = Math.floor(box.scrollTop / (height + GAP_PX)) * columns;
    measure();
  };
  const reveal = (index: number): void => {
    const box = frame.current;
    if (!box) return;
    const top = EDGE_PX + Math.floor(index / columns) * (height + GAP_PX);
    if (top >= box.scrollTop && top + height <= box.scrollTop + box.clientHeight) return;
    box.scrollTop = top - ABOVE_PX;
    onScroll();
  };

  const isThere = count > 0;
  useLayoutEffect(() => {
    const box = frame.current;
    if (!box) return undefined;
    const observer = new ResizeObserver(measure);
    observer.observe(box);
    return () => observer.disconnect();
  }, [isThere]);
  useLayoutEffect(() => {
    const box = frame.current;
    if (box && anchor.current > 0) box.scrollTop = Math.floor(anchor.current / columns) * (height + GAP_PX);
    measure();
  }, [columns, height]);
  useLayoutEffect(onScroll, [count]);

  const rows = Math.ceil(count / columns);
  const style: Record<string, string> = { gridTemplateColumns: `repeat(${columns}, minmax(0, 1fr))` };
  // If all rows are rendered, they keep their own heights: with ours a scroll bar could come and go for ever.
  if (height > 0 && (shape.first > 0 || shape.end < rows)) style["gridTemplateRows"] = `repeat(${rows}, ${height}px)`;
  return { ...shape, style, onScroll, reveal };
}
