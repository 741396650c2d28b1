/** The details of one message of the wire log. */
import { X } from "lucide-preact";
import { megabytes } from "../words";
import type { KeptRow } from "../link/wirerows";
import { Copied, CopyButton, useCopy } from "./copy";

export function Payload({ row, onClose }: { row: KeptRow; onClose: () => void }) {
  const curl = useCopy(row.curl ?? "");
  const python = useCopy(row.python ?? "");
  const when = new Date(row.at * 1000).toLocaleTimeString("en-GB");
  const size = row.size === null ? "" : ` · ${megabytes(row.size)}`;
  return (
    <section class="lv-payload" aria-label={`Payload of ${row.name}`}>
      <div class="lv-line">
        <strong class="lv-cut" title={row.name}>
          {row.name}
        </strong>
        <span class="lv-mute lv-nowrap">
          {when}
          {size}
        </span>
        <span class="lv-gap" />
        <button type="button" class="lv-button lv-plain lv-small" aria-label="Close" title="Close" onClick={onClose}>
          <X size={15} aria-hidden="true" />
        </button>
      </div>
      {row.payload ? (
        <pre class="lv-code" tabIndex={0} aria-label="Payload">
          {row.payload}
        </pre>
      ) : (
        <p class="lv-mute">It has no payload.</p>
      )}
      {row.curl || row.python ? (
        <div class="lv-copies">
          {row.curl ? <CopyButton copy={curl} label="Copy as curl" /> : null}
          {row.python ? <CopyButton copy={python} label="Copy as Python" /> : null}
        </div>
      ) : null}
      <Copied copy={curl} />
      <Copied copy={python} />
    </section>
  );
}
