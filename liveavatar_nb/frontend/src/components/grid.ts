/** Which rows of a grid that scrolls are in sight: of a thousand cards only theirs are in the page. */
import type { RefObject } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";

/** A card is at least so wide, in pixels. */
const CARD_PX = 94;
/** Between the cards and around them; as in the style sheet. */
const GAP_PX = 9;
const EDGE_PX = 4;
/** Rows are drawn, and their pictures asked for, so far above and below what is in sight. */
const AHEAD_PX = 240;
/** A card that is brought into sight has so much above it. */
const ABOVE_PX = 8;

interface Shape {
  columns: number;
  /** Of a card; 0 before it was measured. */
  height: number;
  /** Rows from `first` until `end`, which is not in it, are drawn. */
  first: number;
  end: number;
}

const UNMEASURED: Shape = { columns: 1, height: 0, first: 0, end: 0 };

export interface Grid extends Shape {
  /** Of the element that holds the cards. */
  style: Record<string, string>;
  onScroll: () => void;
  /** Scrolls the frame, and nothing around it, where the card is not in sight. */
  reveal: (index: number) => void;
}

/** `frame` scrolls and holds `count` cards; where there are none it need not be there. */
export function useGrid(frame: RefObject<HTMLElement>, count: number): Grid {
  const [shape, setShape] = useState(UNMEASURED);
  const { columns, height } = shape;
  /** The first card in sight: it stays there when the columns become more or fewer. */
  const anchor = useRef(0);

  const measure = (): void => {
    const box = frame.current;
    const card = box?.querySelector<HTMLElement>('[role="option"]');
    if (!box || !card || card.offsetHeight === 0) return;
    const width = box.clientWidth - 2 * EDGE_PX;
    const columns = Math.max(1, Math.floor((width + GAP_PX) / (CARD_PX + GAP_PX)));
    // Its picture is a square, and what is under it has one height whatever the columns.
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
  // Where all are drawn the rows have their own heights: with ours a scroll bar could come and go for ever.
  if (height > 0 && (shape.first > 0 || shape.end < rows)) style["gridTemplateRows"] = `repeat(${rows}, ${height}px)`;
  return { ...shape, style, onScroll, reveal };
}
