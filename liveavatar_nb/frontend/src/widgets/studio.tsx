/** The page of Studio: gallery, stage, panel, talk and wire log in one frame. */
import { useRef, useState } from "preact/hooks";
import { Controls } from "../components/controls";
import { Foot, Head } from "../components/frame";
import { Gallery } from "../components/gallery";
import { useRoom } from "../components/inroom";
import { Microphone } from "../components/microphone";
import { Announcer, Notes } from "../components/notes";
import { SettingsForm } from "../components/settings";
import { Stage } from "../components/stage";
import { Tabs } from "../components/tabs";
import { TalkTab } from "../components/talk";
import { WireTab } from "../components/wire";
import {
  type Abilities,
  PANEL_TRAITS,
  PICKER_TRAITS,
  TALK_TRAITS,
  VIEW_TRAITS,
} from "../contract";
import type { Send } from "../link/commands";
import type { Link } from "../link/link";
import { widget } from "../link/mount";
import {
  blockedBy,
  isRunning,
  panelState,
  personaOf,
  type Status,
  type TalkState,
  talkState,
} from "../state/state";

const AVATAR = 0;
const TALK = 1;
const SETTINGS = 2;

/** The number of starts that this page has seen. */
function useChapter(running: boolean): number {
  const chapter = useRef({ count: 0, running });
  if (running && !chapter.current.running) chapter.current.count += 1;
  chapter.current.running = running;
  return chapter.current.count;
}

/** Whether to show the Talk tab: during a session, and afterwards if there is a transcript. */
function talksNow(status: Status, { transcript }: TalkState): boolean {
  return status === "live" || status === "stopping" || (status !== "starting" && transcript.length > 0);
}

/** A component of its own, so that changes in the room redraw nothing else. */
function TalkMicrophone({ link, can }: { link: Link; can: Abilities }) {
  const room = useRoom(link);
  return room ? <Microphone room={room} link={link} can={can} wide /> : null;
}

function Studio({ link }: { link: Link }) {
  const [asked, setAsked] = useState<{ tab: number }>();
  const avatars = link.get("avatars");
  const state = panelState(link, avatars);
  const { session, settings } = state;
  const running = isRunning(state.status);
  const chapter = useChapter(running);
  const onCommand: Send = (command, args) => link.send(command, args);
  const usable = blockedBy(link) === "";
  // while a session runs, the stage shows its avatar, not the one picked for the next session
  const onStage = running && session && session.state !== "ended" && session.state !== "failed"
    ? { id: session.avatar_id, name: session.avatar_name }
    : { id: state.avatarId, name: state.avatarName };
  const shown = avatars.find((avatar) => avatar.id === onStage.id);
  const gallery = (
    <Gallery
      avatars={avatars}
      catalogue={link.get("catalogue")}
      value={state.avatarId}
      sandbox={settings.is_sandbox}
      usable={usable}
      pictures={link.pictures}
      onPick={(avatar_id) => link.send("pick", { avatar_id })}
      onSandbox={(is_sandbox) => onCommand("configure", { is_sandbox })}
      onReload={() => link.send("reload", {})}
    />
  );
  const form = (
    <SettingsForm
      {...personaOf(link, state)}
      needsVoice={avatars.find((avatar) => avatar.id === state.avatarId)?.type === "IMAGE"}
      sandboxAvatar={avatars.find((avatar) => avatar.sandbox)?.name}
      running={running}
      usable={usable}
      onCommand={onCommand}
    />
  );
  const spoken = talkState(link);
  const talk = (
    <TalkTab
      state={spoken}
      drafts={link.drafts}
      uploads={link.uploads}
      microphone={<TalkMicrophone link={link} can={state.speaking.can} />}
      onCommand={onCommand}
    />
  );
  return (
    <div class={`lv lv-framed lv-studio lv-is-${state.status}`}>
      <Head title="LiveAvatar studio" state={state} />
      <Announcer state={state} />
      <div class="lv-grid">
        <div class="lv-main">
          <Stage
            state={state}
            avatarId={onStage.id}
            name={onStage.name}
            picture={shown?.picture ?? null}
            link={link}
          />
          <Controls
            state={state}
            onStart={() => link.send("start", { avatar_id: state.avatarId })}
            onStop={() => link.send("stop", {})}
            onInterrupt={() => link.send("interrupt", {})}
            onMend={(where) => setAsked({ tab: where === "avatar" ? AVATAR : SETTINGS })}
          />
          <Notes state={state} onCommand={onCommand} onDismiss={() => link.send("dismiss", {})} />
        </div>
        <Tabs
          label="Studio"
          wanted={talksNow(state.status, spoken) ? TALK : AVATAR}
          chapter={chapter}
          asked={asked}
          tabs={[
            { name: "Avatar", body: gallery },
            { name: "Talk", body: talk },
            { name: "Settings", body: form },
            { name: "Wire", body: <WireTab wire={link.wire} usable={usable} onCommand={onCommand} /> },
          ]}
        />
      </div>
      <Foot state={state} />
    </div>
  );
}

export default widget(Studio, [...new Set([...PICKER_TRAITS, ...PANEL_TRAITS, ...TALK_TRAITS, ...VIEW_TRAITS])]);
