/** A text for the avatar to answer, or to say word for word. */
import { useLayoutEffect, useRef } from "preact/hooks";
import { LONGEST_TEXT } from "../limits";
import type { Drafts } from "../link/drafts";
import type { TalkState } from "../state/state";
import { useId } from "./hooks";

/** The field grows with its text, up to this height in pixels. */
const TALLEST = 132;

interface Props {
  state: TalkState;
  drafts: Drafts;
}

interface FieldProps {
  label: string;
  placeholder: string;
  hint: string | undefined;
  disabled: boolean;
  drafts: Drafts;
  /** Called on Enter; `withModifier`: with Ctrl or Cmd. */
  onEnter: (withModifier: boolean) => void;
}

function Field({ label, placeholder, hint, disabled, drafts, onEnter }: FieldProps) {
  const area = useRef<HTMLTextAreaElement>(null);
  useLayoutEffect(() => {
    const element = area.current;
    if (!element) return;
    element.style.height = "auto";
    // scrollHeight does not include the border
    const border = element.offsetHeight - element.clientHeight;
    element.style.height = `${Math.min(element.scrollHeight + border, TALLEST)}px`;
  }, [drafts.text]);
  return (
    <textarea
      ref={area}
      rows={1}
      aria-label={label}
      placeholder={placeholder}
      value={drafts.text}
      maxLength={LONGEST_TEXT}
      disabled={disabled}
      aria-describedby={hint}
      autocomplete="off"
      onInput={(event) => drafts.write(event.currentTarget.value)}
      onKeyDown={(event) => {
        // while an input method is composing, Enter belongs to it
        if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
        event.preventDefault();
        onEnter(event.ctrlKey || event.metaKey);
      }}
    />
  );
}

function Conversation({ state, drafts }: Props) {
  const hint = useId();
  const { speaking, isSending } = state;
  const { can, isOpen } = speaking;
  // before a session both are shown, as a preview of the next one
  const isLive = state.status === "live";
  const showsAsk = !isLive || can.ask;
  const showsSay = !isLive || can.say;
  const isReady = isOpen && drafts.text.trim() !== "" && !isSending;
  const send = (command: "ask" | "say"): void => {
    if (isReady && can[command]) drafts.send(command);
  };
  if (!showsAsk && !showsSay) return null;
  const hints = [showsAsk ? "Ask: it answers." : "", showsSay ? "Say: it speaks your words." : ""];
  return (
    <form
      class="lv-say"
      onSubmit={(event) => {
        event.preventDefault();
        send(showsAsk ? "ask" : "say");
      }}
    >
      <div class="lv-line lv-say-line">
        <Field
          label={showsAsk ? "Text to ask or say" : "Text to say"}
          placeholder={showsAsk ? "Ask something" : "Say something"}
          hint={hint}
          disabled={false}
          drafts={drafts}
          onEnter={(withModifier) => send(showsAsk && !(withModifier && showsSay) ? "ask" : "say")}
        />
        {showsSay ? (
          <button
            type="button"
            class="lv-button"
            title={showsAsk ? "Said word for word (Ctrl+Enter)" : "Said word for word (Enter)"}
            disabled={!isReady || !can.say}
            onClick={() => send("say")}
          >
            Say
          </button>
        ) : null}
        {showsAsk ? (
          <button
            type="submit"
            class="lv-button lv-primary"
            title="Answered, then said (Enter)"
            disabled={!isReady || !can.ask}
          >
            Ask
          </button>
        ) : null}
      </div>
      <p id={hint} class="lv-help">
        {hints.filter(Boolean).join(" ")}
      </p>
    </form>
  );
}

function OwnVoice({ state, drafts }: Props) {
  const hint = useId();
  const { canSay, speaking, isSending } = state;
  const isReady = canSay && speaking.isOpen && drafts.text.trim() !== "" && !isSending;
  const send = (): void => {
    if (isReady) drafts.send("say");
  };
  return (
    <form
      class="lv-say"
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      <div class="lv-line lv-say-line">
        <Field
          label="Text to say"
          placeholder="Say something"
          hint={canSay ? undefined : hint}
          disabled={!canSay}
          drafts={drafts}
          onEnter={send}
        />
        <button type="submit" class="lv-button" disabled={!isReady}>
          {isSending ? "Saying…" : "Say"}
        </button>
      </div>
      {canSay ? null : (
        <p id={hint} class="lv-help">
          To say text in this mode give a voice of your own: <code>LiveAvatar(tts=…)</code>
        </p>
      )}
    </form>
  );
}

export function Say(props: Props) {
  return props.state.isConversation ? <Conversation {...props} /> : <OwnVoice {...props} />;
}
