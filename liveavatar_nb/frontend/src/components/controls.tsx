/** Start on the left and Stop on the right, so that a double click on Start cannot hit Stop. */
import { Check, Circle, LoaderCircle, OctagonPause, Play, Square } from "lucide-preact";
import type { Session } from "../contract";
import { beganAt, elapsedAt, isEnding, isUnconfirmed, type PanelState, type Speaking } from "../state/state";
import { clock, closingWords, creditWords, offer } from "../words";
import { useNow } from "./hooks";

function Steps({ steps, moving }: { steps: Session["steps"]; moving: boolean }) {
  const current = steps.findIndex((step) => !step.done);
  return (
    <ol class="lv-steps">
      {steps.map((step, index) => {
        const running = index === current && moving;
        const Icon = step.done ? Check : running ? LoaderCircle : Circle;
        const kind = step.done ? "done" : index === current ? "now" : "later";
        return (
          <li key={step.name} class={`lv-step-${kind}`} aria-current={kind === "now" ? "step" : undefined}>
            <Icon size={14} class={running ? "lv-spin" : ""} aria-hidden="true" />
            {step.words}
          </li>
        );
      })}
    </ol>
  );
}

function Meter({ session, state }: { session: Session; state: PanelState }) {
  const now = useNow(state.ticking && session.running, 1000, beganAt(state));
  const elapsed = elapsedAt(state, now);
  const part = session.max_seconds > 0 ? Math.min(1, elapsed / session.max_seconds) : 0;
  const left = session.max_seconds > 0 ? `${clock(Math.ceil(session.max_seconds - elapsed))} left` : "";
  const paid = session.credits_used === null ? "" : `${creditWords(session.credits_used)} used`;
  const used = session.is_sandbox ? "free" : paid;
  return (
    <div class={`lv-meter${isEnding(session, elapsed) ? " lv-meter-ending" : ""}`}>
      <span class="lv-elapsed" aria-label={`running for ${clock(elapsed)}`}>
        {clock(elapsed)}
      </span>
      <span class="lv-track" aria-hidden="true">
        <i style={{ width: `${(part * 100).toFixed(2)}%` }} />
      </span>
      <span class="lv-left">
        {left}
        {left && used ? " · " : ""}
        {used}
      </span>
    </div>
  );
}

/** Always enabled: the page may not know yet that the avatar has started to speak. */
export function InterruptButton({ speaking, onClick }: { speaking: Speaking; onClick: () => void }) {
  return (
    <button
      type="button"
      class="lv-button"
      disabled={!speaking.isOpen}
      title="Hush the avatar and drop what waits"
      onClick={onClick}
    >
      <OctagonPause size={15} aria-hidden="true" />
      {speaking.hushWaiting ? "Waiting…" : "Interrupt"}
    </button>
  );
}

interface Props {
  state: PanelState;
  onStart: () => void;
  onStop: () => void;
  onInterrupt: () => void;
  /** Shows the place where the user can fix what blocks the start. */
  onMend: (where: "avatar" | "settings") => void;
}

function Before({ state, onMend }: Pick<Props, "state" | "onMend">) {
  const { settings, startBlocked, isUnsaved } = state;
  const closing = state.simulated ? "" : closingWords(state.hearing, settings);
  if (startBlocked === null) {
    return (
      <span class="lv-mute">
        {offer(settings)}
        {isUnsaved || closing ? "." : null}
        {settings.is_sandbox ? <em class="lv-tag">Sandbox</em> : null}
        {isUnsaved ? <span class="lv-unsaved"> Its edited prompt is not saved yet.</span> : null}
        {closing ? <span class="lv-closing"> {closing}</span> : null}
      </span>
    );
  }
  const { words, where } = startBlocked;
  return where === null ? (
    <strong class="lv-reason">{words}</strong>
  ) : (
    <button type="button" class="lv-link lv-reason" onClick={() => onMend(where)}>
      {words}
    </button>
  );
}

export function Controls({ state, onStart, onStop, onInterrupt, onMend }: Props) {
  const { session, status, startBlocked } = state;
  const usable = state.phase === "live" || state.phase === "connecting";
  if (status === "live" || status === "stopping") {
    const stopping = status === "stopping";
    return (
      <div class="lv-bar">
        {state.speaking.can.interrupt ? <InterruptButton speaking={state.speaking} onClick={onInterrupt} /> : null}
        {session ? <Meter session={session} state={state} /> : <span class="lv-gap" />}
        <button type="button" class="lv-button lv-stop" disabled={stopping || !usable} onClick={onStop}>
          <Square size={14} fill="currentColor" aria-hidden="true" />
          {state.stopWaiting ? "Waiting…" : stopping ? "Stopping…" : "Stop"}
        </button>
      </div>
    );
  }
  if (status === "starting") {
    const known = session !== null && session.state !== "ended" && session.state !== "failed";
    return (
      <div class="lv-bar">
        <button type="button" class="lv-button lv-primary" disabled>
          {state.startWaiting ? "Waiting…" : "Starting…"}
        </button>
        {known ? <Steps steps={session.steps} moving={state.ticking} /> : <span class="lv-gap" />}
        <button type="button" class="lv-button lv-stop" disabled={!usable} onClick={onStop}>
          <Square size={14} fill="currentColor" aria-hidden="true" />
          Cancel
        </button>
      </div>
    );
  }
  if (isUnconfirmed(session) && status !== "gone") {
    return (
      <div class="lv-bar">
        <strong class="lv-reason">The stop is not confirmed.</strong>
        <span class="lv-gap" />
        <button type="button" class="lv-button lv-stop" disabled={!usable} onClick={onStop}>
          <Square size={14} fill="currentColor" aria-hidden="true" />
          Stop again
        </button>
      </div>
    );
  }
  const again = (status === "ended" || status === "failed") && session?.avatar_id === state.avatarId;
  const label = again ? "Start again" : state.avatarName ? `Start ${state.avatarName}` : "Start";
  return (
    <div class="lv-bar">
      <button
        type="button"
        class="lv-button lv-primary"
        disabled={startBlocked !== null}
        title={startBlocked?.words}
        onClick={onStart}
      >
        <Play size={14} fill="currentColor" aria-hidden="true" />
        <span class="lv-cut">{label}</span>
      </button>
      <Before state={state} onMend={onMend} />
    </div>
  );
}

