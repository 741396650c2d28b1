/** The wire log: timings, a filter, rows that follow the end, and the payload of the picked row. */
import { Save, Search } from "lucide-preact";
import { useEffect, useMemo, useState } from "preact/hooks";
import type { Timing } from "../contract";
import { milliseconds, plural } from "../words";
import type { Send } from "../link/commands";
import type { KeptRow, WireRows } from "../link/wirerows";
import { Choice } from "./choice";
import { Note } from "./note";
import { Payload } from "./payload";
import { Rows } from "./rows";

type Kind = "all" | "rest" | "websocket";

const KINDS = [
  { value: "all", label: "All" },
  { value: "rest", label: "REST" },
  { value: "websocket", label: "Socket" },
] as const;

const STEPS: Record<string, string> = {
  token: "Token",
  start: "Start",
  connected: "Connected",
  first_word: "First word",
  interrupt_to_silence: "Interrupt to silence",
};

function Timings({ timings }: { timings: readonly Timing[] }) {
  if (timings.length === 0) return null;
  return (
    <details class="lv-timings" open>
      <summary>Timings</summary>
      <table>
        <thead>
          <tr>
            <th scope="col">Step</th>
            <th scope="col">Count</th>
            <th scope="col">p50</th>
            <th scope="col">p95</th>
          </tr>
        </thead>
        <tbody>
          {timings.map((timing) => (
            <tr key={timing.step}>
              <th scope="row">{STEPS[timing.step] ?? timing.step}</th>
              <td>{timing.count.toLocaleString("en")}</td>
              <td>{milliseconds(timing.p50 * 1000)}</td>
              <td>{milliseconds(timing.p95 * 1000)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </details>
  );
}

function matching(rows: readonly KeptRow[], query: string, kind: Kind): readonly KeptRow[] {
  const needle = query.trim().toLowerCase();
  if (kind === "all" && needle === "") return rows;
  return rows.filter(
    (row) =>
      (kind === "all" || (kind === "rest") === (row.kind === "rest")) && (needle === "" || row.haystack.includes(needle)),
  );
}

interface Props {
  wire: WireRows;
  usable: boolean;
  onCommand: Send;
}

export function WireTab({ wire, usable, onCommand }: Props) {
  const [query, setQuery] = useState("");
  const [kind, setKind] = useState<Kind>("all");
  const [picked, setPicked] = useState<number | null>(null);
  useEffect(() => wire.watch(), [wire]);
  const { rows } = wire;
  const shown = useMemo(() => matching(rows, query, kind), [rows, query, kind]);
  const open = picked === null ? undefined : rows.find((row) => row.seq === picked);
  const isFiltered = shown.length !== rows.length || query.trim() !== "" || kind !== "all";
  const count = isFiltered
    ? `${shown.length.toLocaleString("en")} of ${rows.length.toLocaleString("en")}`
    : plural(rows.length, "message");
  return (
    <div class="lv-wire">
      {open ? null : <Timings timings={wire.timings} />}
      <div class="lv-search">
        <Search size={16} aria-hidden="true" />
        <input
          type="search"
          placeholder="Filter names and payloads"
          aria-label="Filter names and payloads"
          value={query}
          spellcheck={false}
          autocomplete="off"
          onInput={(event) => setQuery(event.currentTarget.value)}
          onKeyDown={(event) => {
            if (event.key === "Escape") setQuery("");
          }}
        />
      </div>
      <div class="lv-filters">
        <Choice label="Kind of message" options={KINDS} value={kind} onChange={setKind} />
        <span class="lv-saves">
          <Save size={14} aria-hidden="true" />
          <button
            type="button"
            class="lv-link"
            disabled={!usable}
            title="Save all of it as HAR, which browsers and proxies read"
            onClick={() => onCommand("save_wire", { form: "har" })}
          >
            HAR
          </button>
          <button
            type="button"
            class="lv-link"
            disabled={!usable}
            title="Save all of it as JSON lines, one message a line"
            onClick={() => onCommand("save_wire", { form: "jsonl" })}
          >
            JSON lines
          </button>
        </span>
      </div>
      {wire.savedPath ? (
        <Note tone="ok" title="Saved:" detail={wire.savedPath} onDismiss={() => wire.dismiss()} />
      ) : null}
      {wire.problem ? (
        <Note
          tone="error"
          title={wire.problem.title}
          detail={wire.problem.detail}
          remedy={wire.problem.remedy}
          onDismiss={() => wire.dismiss()}
        />
      ) : null}
      {shown.length > 0 ? (
        <Rows rows={shown} since={rows[0]?.at ?? 0} picked={open?.seq ?? null} onPick={setPicked} />
      ) : (
        <div class="lv-empty">
          <p>
            {rows.length > 0
              ? "Nothing matches the filter."
              : wire.isKnown
                ? "Nothing went over the wire yet."
                : usable
                  ? "Asking the kernel…"
                  : "The log went with the kernel."}
          </p>
        </div>
      )}
      {open ? <Payload key={open.seq} row={open} onClose={() => setPicked(null)} /> : null}
      <div class="lv-wire-foot lv-mute">
        <span role="status">{count}</span>
        {wire.dropped > 0 ? <span>{wire.dropped.toLocaleString("en")} older ones were dropped</span> : null}
      </div>
    </div>
  );
}
