/** The page of LiveView: one session's picture and sound, its clock, and Stop. */
import { Controls } from "../components/controls";
import { Announcer, Notes } from "../components/notes";
import { Pill } from "../components/pill";
import { Stage } from "../components/stage";
import { VIEW_TRAITS } from "../contract";
import type { Link } from "../link/link";
import { widget } from "../link/mount";
import { isRunning, isUnconfirmed } from "../state/state";
import { viewState } from "../state/viewstate";

/** Shown if there is no session, and was none. */
function NoSession({ link }: { link: Link }) {
  const state = viewState(link);
  return (
    <div class="lv-stage lv-stage-idle">
      <div class="lv-stage-empty">
        <strong>No session is live</strong>
        <span>start() begins one, and this view shows it.</span>
      </div>
      <span class="lv-pills">
        <Pill state={state} />
      </span>
    </div>
  );
}

function View({ link }: { link: Link }) {
  const state = viewState(link);
  const still = link.get("still");
  const { session, status } = state;
  const hasControls = isRunning(status) || (isUnconfirmed(session) && status !== "gone");
  return (
    <div class="lv lv-framed lv-view">
      <Announcer state={state} />
      <div class="lv-main">
        {still ? (
          <Stage link={link} state={state} avatarId={still.avatar_id} name={still.name} picture={still.picture} />
        ) : (
          <NoSession link={link} />
        )}
        {still && status === "idle" ? (
          <p class="lv-stage-words">No session is live: start() begins one, and this view shows it.</p>
        ) : null}
        {hasControls ? (
          <Controls
            state={state}
            onStart={() => undefined}
            onStop={() => link.send("stop", {})}
            onInterrupt={() => link.send("interrupt", {})}
            onMend={() => undefined}
          />
        ) : null}
        <Notes
          state={state}
          onCommand={(command, args) => link.send(command, args)}
          onDismiss={() => link.send("dismiss_view", {})}
        />
      </div>
    </div>
  );
}

export default widget(View, VIEW_TRAITS);
