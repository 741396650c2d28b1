/** All notes that apply, the most pressing first. */
import { clock, ended, plural } from "../words";
import { elapsedAt, isEnding, type PanelState } from "../state";
import { useNow } from "./hooks";
import { Note } from "./note";

interface Props {
  state: PanelState;
  onCommand: (command: string, args: Record<string, unknown>) => void;
}

function KernelNote({ state }: { state: PanelState }) {
  const { session } = state;
  const wasRunning = session !== null && session.state !== "ended" && session.state !== "failed";
  const limit = session && wasRunning ? clock(session.max_seconds) : "";
  switch (state.phase) {
    case "gone":
      return (
        <Note
          tone="warning"
          title={state.restarted ? "Ended: the kernel was restarted." : "Ended: the kernel is gone."}
          detail={
            wasRunning
              ? `Python stops its session as it exits. Had it been killed outright, the session ends at ${limit}, its limit.`
              : "Nothing was running."
          }
          remedy="Run the cell again to go on."
        />
      );
    case "lost":
      return (
        <Note
          tone="warning"
          title="This widget's kernel no longer knows it."
          detail="What you see is how it stood."
          remedy="Run the cell again."
        />
      );
    case "saved":
      return (
        <Note
          tone="info"
          title="Not connected."
          detail="This is a saved page: it shows how things stood, and has no kernel."
          remedy="Open the notebook and run the cell to use it."
        />
      );
    case "interrupted":
      return (
        <Note
          tone="warning"
          title="No word from the kernel."
          detail={wasRunning ? "The session may still be running." : "The connection is down for now."}
          remedy={
            wasRunning ? `Trying again. It ends at ${clock(session.max_seconds)} at the latest.` : "Trying again."
          }
        />
      );
    default:
      return state.unanswered ? (
        <Note
          tone="info"
          title="Not connected yet."
          detail="The kernel has not answered: it does once the running cell ends."
          remedy="If this notebook was reopened, run the cell again."
        />
      ) : null;
  }
}

function EndingNote({ state }: { state: PanelState }) {
  const now = useNow(state.ticking, 250);
  const { session } = state;
  if (!session || !isEnding(session, elapsedAt(state, now))) return null;
  const sandbox = session.is_sandbox ? " That is a sandbox's length." : "";
  return (
    <Note
      tone="warning"
      title={session.max_seconds >= 120 ? "The last minute." : "About to end."}
      detail={`The session ends by itself at ${clock(session.max_seconds)}.${sandbox}`}
    />
  );
}

export function Notes({ state, onCommand }: Props) {
  const { session, status, problem } = state;
  // Where a problem says why, the end need not say it again.
  const told = problem !== null && status === "failed";
  const over = session !== null && (status === "ended" || status === "failed") ? ended(session, told) : null;
  const action = problem?.action;
  return (
    <div class="lv-notes">
      <KernelNote state={state} />
      {state.waiting ? (
        <Note
          tone="info"
          title="Waiting for the running cell:"
          detail="in this host a click reaches the kernel when the cell ends."
          remedy="To stop at once, interrupt the cell."
        />
      ) : null}
      {problem && status !== "gone" ? (
        <Note
          tone={problem.severity}
          title={problem.title}
          detail={problem.detail}
          remedy={problem.remedy}
          action={action ? { label: action.label, onClick: () => onCommand(action.command, action.args) } : undefined}
          onDismiss={() => onCommand("dismiss", {})}
        />
      ) : null}
      {status === "live" ? <EndingNote state={state} /> : null}
      {over ? <Note tone={over.calm ? "ok" : "warning"} title={over.title} detail={over.detail} /> : null}
    </div>
  );
}

/** The state in words for screen readers, without the numbers that tick. */
export function Announcer({ state }: { state: PanelState }) {
  const { session, status } = state;
  const name = session?.avatar_name ?? state.avatarName;
  const words: Record<PanelState["status"], string> = {
    idle: "Not started",
    starting: `Starting ${name}`,
    live: `${name} is live`,
    stopping: "Stopping",
    ended: session ? ended(session).title : "Ended",
    failed: session ? ended(session).title : "Failed",
    gone: "Ended: the kernel is gone",
  };
  const steps = status === "starting" && session ? session.steps.filter((step) => step.done).length : 0;
  const progress = steps ? `, ${plural(steps, "step")} done` : "";
  return (
    <div class="lv-sr" role="status" aria-live="polite">
      {words[status]}
      {progress}
    </div>
  );
}
