/** The page of SessionPanel. */
import { useState } from "preact/hooks";
import { Controls } from "../components/controls";
import { Foot, Head } from "../components/frame";
import { Announcer, Notes } from "../components/notes";
import { Pill } from "../components/pill";
import { SettingsForm } from "../components/settings";
import { PANEL_TRAITS } from "../contract";
import type { Link } from "../link/link";
import { widget } from "../link/mount";
import { blockedBy, isRunning, panelState, personaOf } from "../state/state";

function Panel({ link }: { link: Link }) {
  const [isOpen, setOpen] = useState(false);
  const state = panelState(link, []);
  return (
    <div class="lv lv-framed lv-panel">
      <Head title="LiveAvatar session" state={state} />
      <Announcer state={state} />
      <div class="lv-main">
        <div class="lv-line">
          <Pill state={state} />
          <strong class="lv-cut">{state.avatarName || "No avatar picked"}</strong>
        </div>
        <Controls
          state={state}
          onStart={() => link.send("start", { avatar_id: state.avatarId })}
          onStop={() => link.send("stop", {})}
          onInterrupt={() => link.send("interrupt", {})}
          onMend={() => setOpen(true)}
        />
        <Notes
          state={state}
          onCommand={(command, args) => link.send(command, args)}
          onDismiss={() => link.send("dismiss", {})}
        />
        <details class="lv-more" open={isOpen} onToggle={(event) => setOpen(event.currentTarget.open)}>
          <summary>Settings</summary>
          {isOpen ? (
            <SettingsForm
              {...personaOf(link, state)}
              needsVoice={false}
              sandboxAvatar={undefined}
              running={isRunning(state.status)}
              usable={blockedBy(link) === ""}
              onCommand={(command, args) => link.send(command, args)}
            />
          ) : null}
        </details>
      </div>
      <Foot state={state} />
    </div>
  );
}

export default widget(Panel, PANEL_TRAITS);
