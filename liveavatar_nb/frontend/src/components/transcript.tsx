/** The transcript of both sides as bubbles, newest at the bottom; it follows the end unless scrolled up. */
import { ArrowDown, Mic } from "lucide-preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Line } from "../contract";
import type { TalkState } from "../state/state";

/** Within this distance of the end, in pixels, the transcript follows it. */
const NEAR = 24;

function isSame(line: Line | undefined, other: Line | undefined): boolean {
  return line?.role === other?.role && line?.text === other?.text;
}

/** The number of the first line. Only the newest lines are sent, and each keeps its number as older ones go. */
function useFirst(lines: readonly Line[]): number {
  const known = useRef({ lines, first: 0 });
  const { lines: before, first } = known.current;
  if (before !== lines) {
    const isGrown = before.length === 0 || before.length < 2 || isSame(before[0], lines[0]);
    const dropped = isGrown
      ? 0
      : before.findIndex((line, at) => isSame(line, lines[0]) && isSame(before[at + 1], lines[1]));
    known.current = { lines, first: first + (dropped < 0 ? before.length : dropped) };
  }
  return known.current.first;
}

function Bubble({ line, name }: { line: Line; name: string }) {
  const isUser = line.role === "user";
  return (
    // a partial line is read out once it is complete
    <p
      class={`lv-bubble${isUser ? " lv-bubble-user" : ""}${line.partial ? " lv-bubble-partial" : ""}`}
      aria-busy={line.partial ? true : undefined}
    >
      <span class="lv-sr">{isUser ? "You: " : `${name}: `}</span>
      <span dir="auto">{line.text}</span>
    </p>
  );
}

function Dots() {
  return (
    <span class="lv-dots" aria-hidden="true">
      <i />
      <i />
      <i />
    </span>
  );
}

export function Transcript({ state }: { state: TalkState }) {
  const box = useRef<HTMLDivElement>(null);
  const follows = useRef(true);
  const [isAway, setAway] = useState(false);
  const { transcript, speaking } = state;
  const first = useFirst(transcript);
  const name = state.session?.avatar_name ?? "Avatar";
  const last = transcript.at(-1);
  const isThinking = speaking.agent === "thinking";
  const isHeard = speaking.isUserSpeaking && !(last?.role === "user" && last.partial);
  const toEnd = (): void => {
    if (box.current) box.current.scrollTop = box.current.scrollHeight;
  };
  useLayoutEffect(() => {
    if (follows.current) toEnd();
  }, [transcript, isThinking, isHeard]);
  useEffect(() => {
    if (!box.current) return undefined;
    const observer = new ResizeObserver(() => {
      if (follows.current) toEnd();
    });
    observer.observe(box.current);
    return () => observer.disconnect();
  }, [box.current]);
  if (transcript.length === 0 && !isThinking && !isHeard) return null;
  return (
    <div class={`lv-log${state.isConversation ? " lv-log-main" : ""}`}>
      <div
        ref={box}
        class="lv-bubbles"
        role="log"
        aria-label="What was said"
        tabIndex={0}
        onScroll={(event) => {
          const { scrollHeight, scrollTop, clientHeight } = event.currentTarget;
          follows.current = scrollHeight - scrollTop - clientHeight < NEAR;
          setAway(!follows.current);
        }}
      >
        {transcript.map((line, at) => (
          <Bubble key={first + at} line={line} name={name} />
        ))}
        {isHeard ? (
          <p class="lv-bubble lv-bubble-user lv-bubble-now" aria-hidden="true">
            <Mic size={14} />
            <Dots />
          </p>
        ) : null}
        {isThinking ? (
          <p class="lv-bubble lv-bubble-now" aria-hidden="true">
            <Dots />
          </p>
        ) : null}
      </div>
      {isAway ? (
        <button
          type="button"
          class="lv-button lv-newest"
          onClick={() => {
            follows.current = true;
            toEnd();
            box.current?.focus();
          }}
        >
          <ArrowDown size={14} aria-hidden="true" />
          Newest
        </button>
      ) : null}
    </div>
  );
}
