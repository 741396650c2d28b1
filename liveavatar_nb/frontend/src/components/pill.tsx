/** The state as a pill: a dot and a label. */
import { isRunning, isUnconfirmed, type PanelState } from "../state/state";
import { useNow } from "./hooks";

const WORDS: Record<PanelState["status"], string> = {
  idle: "Not started",
  starting: "Starting",
  live: "Live",
  stopping: "Stopping…",
  ended: "Ended",
  failed: "Failed",
  gone: "Ended",
};

/** Whether the session still runs is unknown, so its dot is not red. */
const UNSURE = new Set(["lost", "saved", "interrupted"]);

export function Pill({ state }: { state: PanelState }) {
  const { status, startingAt, ticking, phase, session } = state;
  const counting = status === "starting" && ticking && startingAt !== null;
  const now = useNow(counting, 100);
  const since = counting ? ` · ${((now - startingAt) / 1000).toFixed(1)} s` : "";
  if (isRunning(status) && UNSURE.has(phase)) {
    return (
      <span class="lv-pill">
        <i class="lv-dot" />
        Not connected
      </span>
    );
  }
  const unsure = (status === "ended" || status === "failed") && isUnconfirmed(session);
  const degraded = status === "live" && session?.degraded;
  return (
    <>
      <span class={`lv-pill lv-pill-${unsure ? "failed" : status}`}>
        <i class="lv-dot" />
        {unsure ? "Not confirmed" : WORDS[status]}
        {since}
        {state.speaking.agent ? ` · ${state.speaking.agent}` : ""}
      </span>
      {degraded ? (
        <span class="lv-pill lv-pill-degraded">
          <i class="lv-dot" />
          Degraded
        </span>
      ) : null}
    </>
  );
}
