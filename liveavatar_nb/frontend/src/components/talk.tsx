/** What a session can say: what is being said, what waits, sounds to play, words to say, what was said. */
import { AudioLines, CornerDownRight, Ear } from "lucide-preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { Utterance } from "../contract";
import { saidOf, type TalkState } from "../state";
import type { Uploads } from "../uploads";
import { clock, isActive, plural } from "../words";
import { InterruptButton } from "./controls";
import { useNow } from "./hooks";
import { Note } from "./note";
import { Say } from "./say";
import { SoundList, Track } from "./sounds";

interface Props {
  state: TalkState;
  draft: string;
  onDraft: (text: string) => void;
  uploads: Uploads;
  onCommand: (command: string, args: Record<string, unknown>) => void;
}

export function nameOf(utterance: Utterance): string {
  return utterance.text && utterance.sound === null ? `“${utterance.text}”` : utterance.name;
}

/** "0:08 of 0:14"; of a stream "0:08". */
export function Progress({ utterance, state }: { utterance: Utterance; state: TalkState }) {
  const now = useNow(state.ticking && utterance.state === "talking", 200);
  const said = clock(saidOf(utterance, state, now));
  return (
    <span class="lv-mute lv-progress">{utterance.total === null ? said : `${said} of ${clock(utterance.total)}`}</span>
  );
}

const OVER: Record<string, string> = { ended: "was said", interrupted: "was interrupted", failed: "failed" };

function Doing({ state }: { state: TalkState }) {
  const { current, speaking } = state;
  const agent = speaking.agent ?? "idle";
  const word = { idle: "Idle", listening: "Listening", thinking: "Thinking", talking: "Talking" }[agent];
  return (
    <strong class={`lv-doing lv-agent-${agent}`}>
      <AudioLines size={15} aria-hidden="true" />
      {current && agent !== "talking" ? "Sending" : word}
    </strong>
  );
}

function What({ state }: { state: TalkState }) {
  const { current, last } = state;
  const shown = current ?? last;
  if (!shown) return null;
  const isListed = state.sounds.some((sound) => sound.id === shown.sound);
  return (
    <div class="lv-line lv-what-said">
      <span class={`lv-cut${current ? "" : " lv-mute"}`} title={nameOf(shown)}>
        {nameOf(shown)}
      </span>{" "}
      {current ? (
        <>
          <span class="lv-gap" />
          {isListed || current.total === null ? null : <Track utterance={current} state={state} />}
          <Progress utterance={current} state={state} />
        </>
      ) : (
        <span class="lv-mute lv-nowrap">{OVER[shown.state]}</span>
      )}
    </div>
  );
}

/** So many of those that wait are named. */
const NAMED = 2;

function Queue({ queue }: { queue: readonly Utterance[] }) {
  if (queue.length === 0) return null;
  const more = queue.length - NAMED;
  return (
    <ol class="lv-queue" aria-label="Waiting">
      {queue.slice(0, NAMED).map((one) => (
        <li key={one.id} class="lv-line">
          <CornerDownRight size={13} aria-hidden="true" />
          <span class="lv-cut" title={nameOf(one)}>
            {nameOf(one)}
          </span>
          <span class="lv-gap" />
          {one.total === null ? null : <span>{clock(one.total)}</span>}
        </li>
      ))}
      {more > 0 ? <li class="lv-more-waits">and {more} more</li> : null}
    </ol>
  );
}

function Transcript({ state }: { state: TalkState }) {
  const box = useRef<HTMLDivElement>(null);
  const { transcript } = state;
  useEffect(() => {
    if (box.current) box.current.scrollTop = box.current.scrollHeight;
  }, [transcript]);
  if (transcript.length === 0) return null;
  return (
    <div ref={box} class="lv-bubbles" role="log" aria-label="What was said" tabIndex={0}>
      {transcript.map((line, index) => (
        <p key={index} class={`lv-bubble${line.role === "user" ? " lv-bubble-user" : ""}`} dir="auto">
          {line.text}
        </p>
      ))}
    </div>
  );
}

/** What a screen reader hears: each thing that is said, and how it ended. */
function Spoken({ state }: { state: TalkState }) {
  const { current, queue, last } = state;
  const waiting = queue.length > 0 ? `, ${plural(queue.length, "sound")} after it` : "";
  const words = current
    ? `${current.state === "talking" ? "Saying" : "Sending"} ${nameOf(current)}${waiting}`
    : last
      ? `${nameOf(last)} ${OVER[last.state] ?? ""}`
      : "";
  return (
    <div class="lv-sr" role="status">
      {words}
    </div>
  );
}

/** The last utterance failed, or there was something amiss with its sound; until the next one, or a click. */
function LastNote({ state }: { state: TalkState }) {
  const [read, setRead] = useState("");
  const { last, current } = state;
  if (!last || current || isActive(last) || last.id === read || last.state === "interrupted") return null;
  const dismiss = (): void => setRead(last.id);
  if (last.state === "failed") {
    const problem = last.problem;
    const title = `${nameOf(last)} was not said to its end.`;
    return (
      <Note
        tone="error"
        title={title}
        detail={problem?.detail}
        remedy={problem?.remedy || "Play it again."}
        onDismiss={dismiss}
      />
    );
  }
  return last.notes.length > 0 ? (
    <Note tone="warning" title={`${nameOf(last)}:`} detail={last.notes.join(" ")} onDismiss={dismiss} />
  ) : null;
}

function Notes({ state, uploads, onCommand }: Pick<Props, "state" | "uploads" | "onCommand">) {
  const { problem, refusal } = state;
  return (
    <div class="lv-notes">
      {refusal ? <Note tone="error" {...refusal} onDismiss={() => uploads.dismiss()} /> : null}
      {problem ? (
        <Note
          tone={problem.severity}
          title={problem.title}
          detail={problem.detail}
          remedy={problem.remedy}
          onDismiss={() => onCommand("dismiss_talk", {})}
        />
      ) : (
        <LastNote state={state} />
      )}
    </div>
  );
}

function Calm({ state }: { state: TalkState }) {
  const name = state.session?.avatar_name;
  const isLive = state.status === "live";
  const words =
    isLive && state.session?.mode !== "LITE"
      ? "Talking in a conversation comes with the live view, in a later version."
      : state.status === "starting"
        ? `${name ?? "The avatar"} is on its way. What you play here, it will say.`
        : state.status === "ended" || state.status === "failed"
          ? "The session is over. In the next one, what you play here the avatar says."
          : state.status === "stopping"
            ? "The session is being stopped."
            : "Once a session is live, the avatar says what you play here.";
  return <p class="lv-calm">{words}</p>;
}

export function TalkTab({ state, draft, onDraft, uploads, onCommand }: Props) {
  const { speaking } = state;
  const isListening = speaking.agent === "listening";
  const isConversation = state.status === "live" && state.session?.mode !== "LITE";
  return (
    <div class="lv-talk">
      <Spoken state={state} />
      {state.status === "live" && !isConversation ? (
        <div class="lv-now">
          <div class="lv-line">
            <Doing state={state} />
            <span class="lv-gap" />
            <button
              type="button"
              class="lv-button lv-plain"
              aria-pressed={isListening}
              aria-label="Listening pose"
              title={isListening ? "Back to the idle pose" : "Look as if it listens"}
              disabled={!speaking.isOpen}
              onClick={() => onCommand(isListening ? "stop_listening" : "listen", {})}
            >
              <Ear size={16} aria-hidden="true" />
            </button>
            <InterruptButton speaking={speaking} onClick={() => onCommand("interrupt", {})} />
          </div>
          <What state={state} />
          <Queue queue={state.queue} />
        </div>
      ) : (
        <Calm state={state} />
      )}
      <Notes state={state} uploads={uploads} onCommand={onCommand} />
      {isConversation ? null : <SoundList state={state} uploads={uploads} onCommand={onCommand} />}
      <Transcript state={state} />
      {isConversation ? null : <Say state={state} draft={draft} onDraft={onDraft} onCommand={onCommand} />}
    </div>
  );
}
