/** A text for the avatar to say, where the client can turn it into sound. */
import { useId } from "preact/hooks";
import type { TalkState } from "../state";

/** As many characters as Python takes. */
const LONGEST = 2000;

interface Props {
  state: TalkState;
  draft: string;
  onDraft: (text: string) => void;
  onCommand: (command: string, args: Record<string, unknown>) => void;
}

export function Say({ state, draft, onDraft, onCommand }: Props) {
  const hint = useId();
  const { canSay, speaking, sayWaiting } = state;
  const text = draft.trim();
  const isReady = canSay && speaking.isOpen && text !== "" && !sayWaiting;
  return (
    <form
      class="lv-say"
      onSubmit={(event) => {
        event.preventDefault();
        if (!isReady) return;
        onCommand("say", { text });
        onDraft("");
      }}
    >
      <div class="lv-line">
        <input
          type="text"
          aria-label="Text to say"
          placeholder="Say something"
          value={draft}
          maxLength={LONGEST}
          disabled={!canSay}
          aria-describedby={canSay ? undefined : hint}
          autocomplete="off"
          onInput={(event) => onDraft(event.currentTarget.value)}
        />
        <button type="submit" class="lv-button" disabled={!isReady}>
          {sayWaiting ? "Saying…" : "Say"}
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
