/** All notes that apply, the most urgent first. */
import type { Session } from "../contract";
import { IDLE_LIMIT } from "../limits";
import type { Send } from "../link/commands";
import { clock, duration, ended, limit, plural, timeOfDay } from "../words";
import { beganAt, deafLeft, elapsedAt, isEnding, isUnconfirmed, type PanelState, unwatchedLeft } from "../state/state";
import { useNow } from "./hooks";
import { Note } from "./note";

interface Props {
  state: PanelState;
  onCommand: Send;
  /** Called when the user dismisses the problem. */
  onDismiss: () => void;
}

function KernelNote({ state }: { state: PanelState }) {
  const { session } = state;
  const wasRunning = session !== null && session.state !== "ended" && session.state !== "failed";
  const latest = session && wasRunning ? clock(session.max_seconds) : "";
  switch (state.phase) {
    case "gone":
      return (
        <Note
          tone="warning"
          title={state.restarted ? "Ended: the kernel was restarted." : "Ended: the kernel is gone."}
          detail={
            wasRunning
              ? `Python stops its session as it exits, its guard where it was killed; at the latest the session ends at ${latest}, its limit.`
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
  const now = useNow(state.ticking, 1000, beganAt(state));
  const { session } = state;
  if (!session) return null;
  const elapsed = elapsedAt(state, now);
  if (!isEnding(session, elapsed)) return null;
  const lead = session.is_sandbox ? "A sandbox session lasts" : "Its limit is";
  return (
    <Note
      ticking
      tone="warning"
      title={`It ends by itself in ${clock(Math.ceil(session.max_seconds - elapsed))}.`}
      detail={`${lead} ${limit(session.max_seconds)}; one click then starts the next.`}
    />
  );
}

function DegradedNote({ state }: { state: PanelState }) {
  const left = deafLeft(state, useNow(state.ticking && state.session?.degraded === true, 1000));
  if (left === null) return null;
  return (
    <Note
      ticking
      tone="warning"
      title="Keep-alives do not arrive."
      detail={`The service ends the session ${limit(IDLE_LIMIT)} after the last one: in ${clock(left)}.`}
      remedy="One is sent every minute: with the first that arrives all is well again. Check the network."
    />
  );
}

function UnwatchedNote({ state }: { state: PanelState }) {
  const left = unwatchedLeft(state, useNow(state.ticking && state.session?.unwatched_left != null, 1000));
  if (left === null) return null;
  return (
    <Note
      ticking
      tone="warning"
      title={`No page has shown it for a while: stopped in ${duration(left)}.`}
      detail="A page that shows it keeps it. With unwatched=None, start() asks for none."
    />
  );
}

/** The session is over here, but perhaps not at the service. */
function UnconfirmedNote({ session, why }: { session: Session; why: string }) {
  const latest = session.cap_at === null ? clock(session.max_seconds) : timeOfDay(session.cap_at);
  return (
    <Note
      tone="warning"
      title="It may still run, and be billed."
      detail={why}
      remedy={`At the latest its limit ends it at ${latest}. Its stop is tried again until then; Stop again tries at once.`}
    />
  );
}

function OrphansNote({ state, onStop }: { state: PanelState; onStop: () => void }) {
  const { orphans, orphansStopping } = state;
  // a start that failed because of them offers the same button
  if (orphans.length === 0 || state.problem?.action?.command === "stop_orphans") return null;
  const isSingle = orphans.length === 1;
  const longest = Math.max(...orphans.map((orphan) => orphan.minutes));
  const label = isSingle ? "Stop it" : "Stop them";
  return (
    <Note
      tone="warning"
      title={`${plural(orphans.length, "session")} ${isSingle ? "runs" : "run"} that a dead kernel left.`}
      detail={`${isSingle ? "It is" : "They are"} billed, for ${duration(longest * 60)} so far.`}
      remedy="The next start stops what is left over, too."
      action={{ label: orphansStopping ? "Stopping…" : label, onClick: onStop, busy: orphansStopping }}
    />
  );
}

/** Sessions that a page started before the host ran the notebook again on a reload, or that others started. */
function ElsewhereNote({ state, onStop }: { state: PanelState; onStop: () => void }) {
  const { elsewhere, elsewhereStopping } = state;
  if (elsewhere.length === 0) return null;
  const unseen = elsewhere.filter((session) => !session.is_watched);
  const longest = Math.max(...elsewhere.map((session) => session.minutes));
  const soonest = Math.min(...unseen.map((session) => session.left ?? Infinity));
  const isSingle = elsewhere.length === 1;
  const unwatched = soonest < Infinity ? `No page shows it: stopped in ${duration(soonest)}.` : "No page shows it.";
  const words = isSingle
    ? `${elsewhere[0]?.avatar_name}. ${unseen.length ? unwatched : "Another page shows it."}`
    : unseen.length
      ? `No page shows ${unseen.length} of them.`
      : "Other pages show them.";
  const label = unseen.length === 1 ? "Stop it" : "Stop those";
  return (
    <Note
      tone={unseen.length ? "warning" : "info"}
      title={`${plural(elsewhere.length, "session")} of this program ${isSingle ? "is" : "are"} billed that this page did not start.`}
      detail={`${words} Running for ${duration(longest * 60)}${isSingle ? "" : " at the longest"}.`}
      remedy={unseen.length ? "The next start stops what lost its page, too." : undefined}
      action={
        unseen.length
          ? { label: elsewhereStopping ? "Stopping…" : label, onClick: onStop, busy: elsewhereStopping }
          : undefined
      }
    />
  );
}

export function Notes({ state, onCommand, onDismiss }: Props) {
  const { session, status } = state;
  const unsure = (status === "ended" || status === "failed") && isUnconfirmed(session) ? session : null;
  // one note is enough for an unconfirmed stop
  const problem = unsure && state.problem?.kind === "StopNotConfirmed" ? null : state.problem;
  // if a problem gives the reason, the end need not repeat it
  const isExplained = problem !== null && status === "failed";
  const isOver = session !== null && (status === "ended" || status === "failed") && !unsure;
  const over = isOver ? ended(session, isExplained) : null;
  const another = isOver && session.avatar_id !== state.avatarId && state.startBlocked === null;
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
          onDismiss={onDismiss}
        />
      ) : null}
      {unsure ? (
        <UnconfirmedNote session={unsure} why={problem === null && unsure.end_words ? `${unsure.end_words}.` : ""} />
      ) : null}
      {status === "live" ? (
        <>
          <UnwatchedNote state={state} />
          <DegradedNote state={state} />
          <EndingNote state={state} />
        </>
      ) : null}
      {status === "gone" ? null : <ElsewhereNote state={state} onStop={() => onCommand("stop_elsewhere", {})} />}
      {status === "gone" ? null : <OrphansNote state={state} onStop={() => onCommand("stop_orphans", {})} />}
      {over ? (
        <Note
          tone={over.calm ? "ok" : "warning"}
          title={over.title}
          detail={over.detail}
          action={
            another
              ? {
                  label: `Start ${session.avatar_name} again`,
                  onClick: () => onCommand("start", { avatar_id: session.avatar_id }),
                }
              : undefined
          }
        />
      ) : null}
    </div>
  );
}

/** The state in words for screen readers, without the running numbers. */
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
  const live = status === "live" ? session : null;
  const warned = [
    live?.degraded ? ", keep-alives do not arrive" : "",
    (live?.unwatched_left ?? null) === null ? "" : ", no page shows it: it is stopped soon",
    live && isEnding(live, live.elapsed) ? ", it ends by itself in a minute" : "",
  ].join("");
  const activity = state.speaking.agent ? ` and ${state.speaking.agent}` : "";
  return (
    <div class="lv-sr" role="status" aria-live="polite">
      {words[status]}
      {activity}
      {progress}
      {warned}
    </div>
  );
}
