/** A virtual list of the wire log's rows: of ten thousand, only the visible ones are in the page. */
import { ArrowDown, ArrowUp } from "lucide-preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { milliseconds, offset } from "../words";
import type { KeptRow } from "../link/wirerows";
import { useId } from "./hooks";

/** The height of a row, as in the style sheet. */
const ROW_PX = 26;
/** Rows rendered above and below the visible ones. */
const SPARE = 8;
/** Within this distance of the end, the list follows new rows. */
const NEAR_PX = 4;
const PAGE_ROWS = 10;

interface Props {
  rows: readonly KeptRow[];
  /** The moment shown as 0:00, in seconds since the epoch. */
  since: number;
  picked: number | null;
  onPick: (seq: number | null) => void;
}

function isBad(row: KeptRow): boolean {
  if (row.kind !== "rest") return row.name === "error";
  // without an answer, the note gives the reason, or says that the request is under way
  return /^[45]\d\d$/.test(row.note) || !/^(\d+|under way|)$/.test(row.note);
}

function Cells({ row, since }: { row: KeptRow; since: number }) {
  const Arrow = row.direction === "sent" ? ArrowUp : ArrowDown;
  const bad = isBad(row) ? " lv-wire-bad" : "";
  return (
    <>
      <span class="lv-wire-at">{offset(row.at - since)}</span>
      <Arrow size={13} class={`lv-wire-${row.direction}`} aria-hidden="true" />
      <span class="lv-sr">{row.direction} </span>
      <span class={`lv-cut lv-wire-name${row.note === "" ? bad : ""}`} title={row.name}>
        {row.name}
      </span>
      <span class={`lv-cut lv-wire-note${bad}`} title={row.note}>
        {row.note}
      </span>
      <span class="lv-wire-ms">{row.ms === null ? "" : milliseconds(row.ms)}</span>
    </>
  );
}

export function Rows({ rows, since, picked, onPick }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const follows = useRef(true);
  const [view, setView] = useState({ top: 0, height: 400 });
  const [active, setActive] = useState<number | null>(null);
  const id = useId();

  useLayoutEffect(() => {
    const frame = box.current;
    if (!frame) return undefined;
    const measure = (): void => {
      if (follows.current) frame.scrollTop = frame.scrollHeight;
      setView({ top: frame.scrollTop, height: frame.clientHeight });
    };
    const observer = new ResizeObserver(measure);
    observer.observe(frame);
    return () => observer.disconnect();
  }, []);
  useLayoutEffect(() => {
    const frame = box.current;
    if (frame && follows.current) frame.scrollTop = frame.scrollHeight;
  }, [rows]);

  const onScroll = (): void => {
    const frame = box.current;
    if (!frame) return;
    follows.current = frame.scrollHeight - frame.scrollTop - frame.clientHeight <= NEAR_PX;
    setView({ top: frame.scrollTop, height: frame.clientHeight });
  };

  const go = (index: number): void => {
    const row = rows[Math.max(0, Math.min(rows.length - 1, index))];
    const frame = box.current;
    if (!row || !frame) return;
    const top = rows.indexOf(row) * ROW_PX;
    if (top < frame.scrollTop) frame.scrollTop = top;
    else if (top + ROW_PX > frame.scrollTop + frame.clientHeight) frame.scrollTop = top + ROW_PX - frame.clientHeight;
    setActive(row.seq);
    if (picked !== null) onPick(row.seq);
  };

  const onKeyDown = (event: KeyboardEvent): void => {
    const at = rows.findIndex((row) => row.seq === (active ?? picked));
    const to: Record<string, number> = {
      ArrowDown: at + 1,
      ArrowUp: at === -1 ? rows.length - 1 : at - 1,
      PageDown: at + PAGE_ROWS,
      PageUp: at - PAGE_ROWS,
      Home: 0,
      End: rows.length - 1,
    };
    const next = to[event.key];
    if (event.key === "Enter" || event.key === " ") {
      if (active !== null) onPick(active === picked ? null : active);
    } else if (event.key === "Escape") onPick(null);
    else if (next === undefined) return;
    else go(next);
    event.preventDefault();
  };

  const first = Math.max(0, Math.floor(view.top / ROW_PX) - SPARE);
  const last = Math.min(rows.length, Math.ceil((view.top + view.height) / ROW_PX) + SPARE);
  const inSight = rows.slice(first, last);
  const isActiveInSight = inSight.some((row) => row.seq === active);
  return (
    <div
      ref={box}
      class="lv-rows"
      role="listbox"
      tabIndex={0}
      aria-label="Messages on the wire"
      aria-activedescendant={isActiveInSight ? `${id}-${active}` : undefined}
      onScroll={onScroll}
      onKeyDown={onKeyDown}
    >
      <div role="presentation" style={{ height: rows.length * ROW_PX }}>
        <div role="presentation" style={{ transform: `translateY(${first * ROW_PX}px)` }}>
          {inSight.map((row, index) => (
            <div
              key={row.seq}
              id={`${id}-${row.seq}`}
              role="option"
              class={`lv-wire-row${row.seq === active ? " lv-wire-active" : ""}`}
              aria-selected={row.seq === picked}
              aria-posinset={first + index + 1}
              aria-setsize={rows.length}
              onClick={() => {
                setActive(row.seq);
                onPick(row.seq === picked ? null : row.seq);
              }}
            >
              <Cells row={row} since={since} />
            </div>
          ))}
        </div>
      </div>
    </div>
  );
}
