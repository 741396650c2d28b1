/** The header and footer of the panel and the studio. */
import { FlaskConical } from "lucide-preact";
import type { Session } from "../contract";
import type { PanelState } from "../state/state";
import { duration, modeWords } from "../words";
import { Copied, CopyButton, ShowButton, useCopy } from "./copy";
import { useNow } from "./hooks";

function Credits({ state }: { state: PanelState }) {
  if (state.creditsProblem) {
    return (
      <span class="lv-chip lv-chip-warn lv-credits" title={state.creditsProblem}>
        Credits unknown
      </span>
    );
  }
  return state.credits === null ? null : <span class="lv-chip lv-credits">{state.credits} credits</span>;
}

export function Head({ title, state }: { title: string; state: PanelState }) {
  const { session, status } = state;
  const shown = session && (status === "live" || status === "stopping" || status === "starting") ? session : null;
  return (
    <div class="lv-head">
      <strong class="lv-title">{title}</strong>
      {state.simulated ? (
        <span class="lv-chip lv-chip-warn lv-service" title="Simulator: nothing is billed">
          <FlaskConical size={13} aria-hidden="true" />
          <span>
            Simulator<span class="lv-assuring">: nothing is billed</span>
          </span>
        </span>
      ) : (
        <span class="lv-chip lv-service lv-cut">{state.service}</span>
      )}
      {shown ? (
        <span class="lv-mute lv-cut lv-what">
          {shown.avatar_name} · {shown.is_sandbox ? "sandbox, " : ""}
          {modeWords(shown.mode)}
        </span>
      ) : null}
      <span class="lv-gap" />
      <Credits state={state} />
    </div>
  );
}

function KeepAlive({ session, state }: { session: Session; state: PanelState }) {
  const now = useNow(state.ticking, 1000, state.sessionAt - (session.keep_alive_age ?? 0) * 1000);
  if (session.keep_alive_age === null) return <>Running, the first keep-alive is yet to come</>;
  const since = state.ticking ? (now - state.sessionAt) / 1000 : 0;
  return <>keep-alive {duration(session.keep_alive_age + Math.max(0, since))} ago</>;
}

function StatusLine({ state }: { state: PanelState }) {
  const { session, status } = state;
  if (status === "gone") return <>The kernel is gone</>;
  if (state.phase !== "live" && state.phase !== "connecting") return <>Not connected</>;
  if (status === "live" && session) return <KeepAlive session={session} state={state} />;
  if (status === "starting") return <>starting: stopped at once if this fails</>;
  if (status === "stopping") return <>Stopping…</>;
  if (session && !session.confirmed) return <>Not confirmed yet that nothing is running</>;
  if (state.elsewhere.length > 0) return <>Nothing that this page started is running</>;
  if (state.orphans.length > 0) return <>Nothing of this kernel is running</>;
  return <>Nothing is running</>;
}

export function Foot({ state }: { state: PanelState }) {
  const copy = useCopy(state.code);
  return (
    <>
      <div class="lv-foot">
        <span class="lv-cut">
          <StatusLine state={state} />
        </span>
        <span class="lv-gap" />
        {state.code ? (
          <>
            <ShowButton copy={copy} />
            <CopyButton copy={copy} label="Copy as code" title="The Python that does what was just clicked" />
          </>
        ) : null}
      </div>
      <Copied copy={copy} />
    </>
  );
}
