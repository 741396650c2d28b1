/** Speech of a session: the current utterance, the queue, sounds to play, text to say, and the transcript. */
import { AudioLines, CornerDownRight, Ear, MessagesSquare, Mic, UserRound } from "lucide-preact";
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import type { Utterance } from "../contract";
import type { Send } from "../link/commands";
import type { Drafts } from "../link/drafts";
import { secondsSaid, type TalkState } from "../state/state";
import type { Uploads } from "../link/uploads";
import { clock, isActive, plural } from "../words";
import { InterruptButton } from "./controls";
import { useNow } from "./hooks";
import { Note } from "./note";
import { Say } from "./say";
import { SoundList, Track } from "./sounds";
import { Transcript } from "./transcript";

interface Props {
  state: TalkState;
  drafts: Drafts;
  uploads: Uploads;
  /** The microphone, if the session hears one. */
  microphone?: ComponentChildren;
  onCommand: Send;
}

export function nameOf(utterance: Utterance): string {
  return utterance.text && utterance.sound === null ? `“${utterance.text}”` : utterance.name;
}

/** "0:08 of 0:14"; for a stream "0:08". */
export function Progress({ utterance, state }: { utterance: Utterance; state: TalkState }) {
  const now = useNow(state.ticking && utterance.state === "talking", 200);
  const position = clock(secondsSaid(utterance, state, now));
  const words = utterance.total === null ? position : `${position} of ${clock(utterance.total)}`;
  return <span class="lv-mute lv-progress">{words}</span>;
}

const OVER: Record<string, string> = { ended: "was said", interrupted: "was interrupted", failed: "failed" };

const ACTIVITIES = { idle: "Idle", listening: "Listening", thinking: "Thinking…", talking: "Talking" };

function Activity({ state }: { state: TalkState }) {
  const { current, speaking, isConversation } = state;
  if (speaking.isUserSpeaking) {
    return (
      <strong class="lv-doing lv-agent-listening">
        <Mic size={15} aria-hidden="true" />
        You are speaking
      </strong>
    );
  }
  if (isConversation && speaking.agent === null) {
    return (
      <strong class="lv-doing">
        <UserRound size={15} aria-hidden="true" />
        Joining…
      </strong>
    );
  }
  const agent = speaking.agent ?? "idle";
  return (
    <strong class={`lv-doing lv-agent-${agent}`}>
      <AudioLines size={15} aria-hidden="true" />
      {current && agent !== "talking" && !isConversation ? "Sending" : ACTIVITIES[agent]}
    </strong>
  );
}

function ListenButton({ state, onCommand }: Pick<Props, "state" | "onCommand">) {
  const { speaking, isConversation } = state;
  const isListening = speaking.agent === "listening";
  const words = isConversation
    ? { label: "Listen", on: "Have it listen", off: "Have it stop listening" }
    : { label: "Listening pose", on: "Look as if it listens", off: "Back to the idle pose" };
  return (
    <button
      type="button"
      class="lv-button lv-plain"
      aria-pressed={isListening}
      aria-label={words.label}
      title={isListening ? words.off : words.on}
      disabled={!speaking.isOpen}
      onClick={() => onCommand(isListening ? "stop_listening" : "listen", {})}
    >
      <Ear size={16} aria-hidden="true" />
    </button>
  );
}

function UtteranceLine({ state }: { state: TalkState }) {
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

/** How many utterances of the queue are named. */
const NAMED = 2;

function Queue({ queue }: { queue: readonly Utterance[] }) {
  if (queue.length === 0) return null;
  const more = queue.length - NAMED;
  return (
    <ol class="lv-queue" aria-label="Waiting">
      {queue.slice(0, NAMED).map((utterance) => (
        <li key={utterance.id} class="lv-line">
          <CornerDownRight size={13} aria-hidden="true" />
          <span class="lv-cut" title={nameOf(utterance)}>
            {nameOf(utterance)}
          </span>
          <span class="lv-gap" />
          {utterance.total === null ? null : <span>{clock(utterance.total)}</span>}
        </li>
      ))}
      {more > 0 ? <li class="lv-more-waits">and {more} more</li> : null}
    </ol>
  );
}

/** For screen readers: each utterance, and how it ended. */
function UtteranceAnnouncer({ state }: { state: TalkState }) {
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

/** Shows that the last utterance failed or had a faulty sound, until the next one or a click. */
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
        remedy={problem?.remedy || (state.isConversation ? "Send it again." : "Play it again.")}
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

function calmWords({ status, session, isConversation }: TalkState): string {
  const isOver = status === "ended" || status === "failed";
  if (status === "stopping") return "The session is being stopped.";
  if (status === "starting") {
    const then = isConversation ? "Then you talk with it here." : "What you play here, it will say.";
    return `${session?.avatar_name ?? "The avatar"} is on its way. ${then}`;
  }
  if (isConversation) {
    return isOver
      ? "The session is over. In the next one you talk with the avatar here."
      : "Once a session is live, you talk with the avatar here.";
  }
  return isOver
    ? "The session is over. In the next one, what you play here the avatar says."
    : "Once a session is live, the avatar says what you play here.";
}

/** A conversation before its first line. */
function EmptyConversation({ state }: { state: TalkState }) {
  const name = state.session?.avatar_name ?? "the avatar";
  const { can } = state.speaking;
  const ways = [can.ask ? "ask something below" : "", can.microphone ? "speak into the microphone" : ""].filter(Boolean);
  const words =
    state.status !== "live"
      ? calmWords(state)
      : ways.length > 0
        ? `To talk with ${name} ${ways.join(", or ")}.`
        : can.say
          ? `Write below what ${name} is to say.`
          : "";
  return (
    <div class="lv-silence">
      <MessagesSquare size={30} strokeWidth={1.4} aria-hidden="true" />
      {state.status === "live" ? (
        <p>
          <strong>Nothing was said yet.</strong>
        </p>
      ) : null}
      <p>{words}</p>
    </div>
  );
}

/** Queued utterances that are not bubbles yet; a question is one at once. */
function withoutBubble({ queue, transcript }: TalkState): readonly Utterance[] {
  return queue.filter((utterance) => !transcript.some((line) => line.role === "user" && line.text === utterance.text));
}

function CurrentSpeech({ state, onCommand }: Pick<Props, "state" | "onCommand">) {
  const { speaking, isConversation } = state;
  return (
    <div class="lv-now">
      <div class="lv-line">
        <Activity state={state} />
        <span class="lv-gap" />
        {speaking.can.listen ? <ListenButton state={state} onCommand={onCommand} /> : null}
        {speaking.can.interrupt ? (
          <InterruptButton speaking={speaking} onClick={() => onCommand("interrupt", {})} />
        ) : null}
      </div>
      {/* in a conversation the text itself is below, as a bubble */}
      {isConversation ? null : <UtteranceLine state={state} />}
      <Queue queue={isConversation ? withoutBubble(state) : state.queue} />
    </div>
  );
}

export function TalkTab({ state, drafts, uploads, microphone, onCommand }: Props) {
  const { speaking, isConversation } = state;
  const isLive = state.status === "live";
  const isSilent = state.transcript.length === 0 && speaking.agent !== "thinking" && !speaking.isUserSpeaking;
  const isQuiet = isConversation && isSilent;
  const plays = !isConversation && (!isLive || speaking.can.play);
  return (
    <div class={`lv-talk${isConversation ? " lv-conversation" : ""}`}>
      <UtteranceAnnouncer state={state} />
      {isLive ? <CurrentSpeech state={state} onCommand={onCommand} /> : null}
      {isLive || isQuiet ? null : <p class="lv-calm">{calmWords(state)}</p>}
      <Notes state={state} uploads={uploads} onCommand={onCommand} />
      {plays ? <SoundList state={state} uploads={uploads} onCommand={onCommand} /> : null}
      {isQuiet ? <EmptyConversation state={state} /> : <Transcript state={state} />}
      {isLive && speaking.can.microphone ? microphone : null}
      <Say state={state} drafts={drafts} />
    </div>
  );
}
