/** A note under the controls: what happened, what to do about it, and a button to do it. */
import { CircleCheck, Info, TriangleAlert, X } from "lucide-preact";
import type { ComponentChildren } from "preact";

export type Tone = "error" | "warning" | "info" | "ok";

const ICONS = { error: TriangleAlert, warning: TriangleAlert, info: Info, ok: CircleCheck };

interface Props {
  tone: Tone;
  title: string;
  detail?: string | undefined;
  remedy?: string | undefined;
  action?: { label: string; onClick: () => void; busy?: boolean } | undefined;
  /** Whether its text counts seconds; then screen readers do not read it out again each second. */
  ticking?: boolean;
  onDismiss?: (() => void) | undefined;
  children?: ComponentChildren;
}

export function Note({ tone, title, detail, remedy, action, ticking = false, onDismiss, children }: Props) {
  const Icon = ICONS[tone];
  const role = ticking ? "note" : tone === "error" ? "alert" : "status";
  return (
    <div class={`lv-note lv-note-${tone}`} role={role}>
      <Icon size={18} aria-hidden="true" />
      <div class="lv-note-text">
        <div>
          <strong>{title}</strong>
          {/[.:!?]$/.test(title) || !detail ? " " : ". "}
          {detail}
        </div>
        {remedy ? <div class="lv-mute">{remedy}</div> : null}
        {children}
      </div>
      {action ? (
        <button type="button" class="lv-button" disabled={action.busy} onClick={action.onClick}>
          {action.label}
        </button>
      ) : null}
      {onDismiss ? (
        <button type="button" class="lv-button lv-plain" aria-label="Dismiss" title="Dismiss" onClick={onDismiss}>
          <X size={16} aria-hidden="true" />
        </button>
      ) : null}
    </div>
  );
}
