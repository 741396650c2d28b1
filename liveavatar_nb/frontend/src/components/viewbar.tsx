/** The controls over the picture, as in a video player. */
import {
  Captions,
  CaptionsOff,
  Maximize,
  Minimize,
  Signal,
  SignalHigh,
  SignalLow,
  SignalZero,
  Volume1,
  Volume2,
  VolumeX,
} from "lucide-preact";
import type { ComponentChildren } from "preact";
import type { Quality } from "../room/media/types";
import type { Room } from "../room/room";

const QUALITIES = {
  excellent: { Icon: Signal, words: "Connection: excellent" },
  good: { Icon: SignalHigh, words: "Connection: good" },
  poor: { Icon: SignalLow, words: "Connection: poor" },
  lost: { Icon: SignalZero, words: "Connection: lost" },
};

export function QualityMark({ quality }: { quality: Quality }) {
  if (quality === "unknown") return null;
  const { Icon, words } = QUALITIES[quality];
  return (
    <span class={`lv-quality lv-quality-${quality}`} role="img" aria-label={words} title={words}>
      <Icon size={17} aria-hidden="true" />
    </span>
  );
}

interface Props {
  room: Room;
  captions: boolean;
  isFull: boolean;
  canBeFull: boolean;
  onCaptions: () => void;
  onFull: () => void;
  children?: ComponentChildren;
}

export function ViewBar({ room, captions, isFull, canBeFull, onCaptions, onFull, children }: Props) {
  const { muted } = room;
  const level = muted ? 0 : Math.round(room.volume * 100);
  const Speaker = muted ? VolumeX : level < 50 ? Volume1 : Volume2;
  const Caption = captions ? Captions : CaptionsOff;
  const Full = isFull ? Minimize : Maximize;
  return (
    <div class="lv-viewbar">
      <button
        type="button"
        class="lv-tool"
        aria-label={muted ? "Unmute" : "Mute"}
        title={muted ? "Unmute (m)" : "Mute (m)"}
        onClick={() => room.setMuted(!muted)}
      >
        <Speaker size={19} aria-hidden="true" />
      </button>
      <input
        type="range"
        class="lv-volume"
        aria-label="Volume"
        title={`Volume: ${level}%`}
        min={0}
        max={100}
        step={5}
        value={level}
        style={{ "--part": `${level}%` }}
        onInput={(event) => room.setVolume(Number(event.currentTarget.value) / 100)}
      />
      <span class="lv-gap" />
      {children}
      <button
        type="button"
        class="lv-tool"
        aria-label="Captions"
        aria-pressed={captions}
        title={captions ? "Captions off (c)" : "Captions (c)"}
        onClick={onCaptions}
      >
        <Caption size={19} aria-hidden="true" />
      </button>
      {canBeFull ? (
        <button
          type="button"
          class="lv-tool"
          aria-label={isFull ? "Leave full screen" : "Full screen"}
          title={isFull ? "Leave full screen (f)" : "Full screen (f)"}
          onClick={onFull}
        >
          <Full size={19} aria-hidden="true" />
        </button>
      ) : null}
    </div>
  );
}
