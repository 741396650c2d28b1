/** Sounds to play: a list, a button and a drop area. */
import { AudioLines, FileUp, ListEnd, Play, Plus, X } from "lucide-preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { Sound, Utterance } from "../contract";
import type { Send } from "../link/commands";
import { secondsSaid, type TalkState } from "../state/state";
import type { Upload, Uploads } from "../link/uploads";
import { clock, megabytes } from "../words";
import { useNow } from "./hooks";

interface Props {
  state: TalkState;
  uploads: Uploads;
  onCommand: Send;
}

/** A bar that shows how much of an utterance has been said. */
export function Track({ utterance, state }: { utterance: Utterance; state: TalkState }) {
  const now = useNow(state.ticking && utterance.state === "talking", 200);
  const seconds = secondsSaid(utterance, state, now);
  const part = utterance.total ? Math.min(1, seconds / utterance.total) : 0;
  return (
    <span class="lv-track lv-sound-track" aria-hidden="true">
      <i style={{ width: `${(part * 100).toFixed(1)}%` }} />
    </span>
  );
}

interface RowProps extends Omit<Props, "uploads"> {
  sound: Sound;
}

function Row({ sound, state, onCommand }: RowProps) {
  const { current, queue } = state;
  const isSaid = current?.sound === sound.id;
  const waits = queue.filter((utterance) => utterance.sound === sound.id).length;
  const isAsked = state.asked === sound.id;
  const Icon = isSaid ? AudioLines : waits > 0 || isAsked ? ListEnd : Play;
  return (
    <li class={`lv-sound${isSaid ? " lv-sound-now" : ""}`}>
      <button
        type="button"
        class="lv-button lv-icon"
        aria-label={`Play ${sound.name}`}
        title={current && state.speaking.isOpen ? `Play ${sound.name} after what waits` : `Play ${sound.name}`}
        disabled={!state.speaking.isOpen}
        onClick={() => onCommand("play", { sound: sound.id })}
      >
        <Icon size={14} fill={Icon === Play ? "currentColor" : "none"} aria-hidden="true" />
      </button>
      <span class="lv-cut" title={sound.name}>
        {sound.name}
      </span>
      <span class="lv-gap" />
      {isSaid ? <Track utterance={current} state={state} /> : null}
      {waits > 0 ? <span class="lv-tag lv-tag-quiet">{waits > 1 ? `waits ${waits} times` : "waits"}</span> : null}
      <span class="lv-mute lv-length">{sound.seconds === null ? "" : clock(Math.max(1, Math.round(sound.seconds)))}</span>
      {sound.origin === "dropped" ? (
        <button
          type="button"
          class="lv-button lv-plain lv-small"
          aria-label={`Remove ${sound.name}`}
          title="Remove it from the list"
          disabled={!state.usable}
          onClick={() => onCommand("remove_sound", { sound: sound.id })}
        >
          <X size={14} aria-hidden="true" />
        </button>
      ) : null}
    </li>
  );
}

function UploadRow({ upload, onCancel }: { upload: Upload; onCancel: () => void }) {
  const isRead = upload.sent >= upload.size;
  const part = Math.round((upload.sent / upload.size) * 100);
  return (
    <li class="lv-sound">
      <span class="lv-icon lv-icon-still">
        <FileUp size={14} aria-hidden="true" />
      </span>
      <span class="lv-cut" title={upload.name}>
        {upload.name}
      </span>
      <span class="lv-gap" />
      <span
        class="lv-track lv-sound-track"
        role="progressbar"
        aria-label={`Adding ${upload.name}`}
        aria-valuemin={0}
        aria-valuemax={100}
        aria-valuenow={part}
      >
        <i style={{ width: `${part}%` }} />
      </span>
      <span class="lv-mute lv-length">{isRead ? "reading" : megabytes(upload.size)}</span>
      <button
        type="button"
        class="lv-button lv-plain lv-small"
        aria-label={`Cancel ${upload.name}`}
        title="Do not add it"
        onClick={onCancel}
      >
        <X size={14} aria-hidden="true" />
      </button>
    </li>
  );
}

/** Whether files are being dragged over an element, and the listeners that find out. */
function useDrop(isOpen: boolean, onFiles: (files: File[]) => void) {
  const [isOver, setOver] = useState(false);
  const carriesFiles = (event: DragEvent): boolean =>
    isOpen && Array.from(event.dataTransfer?.types ?? []).includes("Files");
  const onDragOver = (event: DragEvent): void => {
    if (!carriesFiles(event)) return;
    // otherwise the host or the browser would open the dropped file
    event.preventDefault();
    event.stopPropagation();
    setOver(true);
  };
  const onDragLeave = (event: DragEvent): void => {
    const inside = event.relatedTarget instanceof Node && (event.currentTarget as Node).contains(event.relatedTarget);
    if (!inside) setOver(false);
  };
  const onDrop = (event: DragEvent): void => {
    setOver(false);
    if (!carriesFiles(event)) return;
    event.preventDefault();
    event.stopPropagation();
    onFiles(Array.from(event.dataTransfer?.files ?? []));
  };
  return { isOver, handlers: { onDragEnter: onDragOver, onDragOver, onDragLeave, onDrop } };
}

export function SoundList({ state, uploads, onCommand }: Props) {
  const input = useRef<HTMLInputElement>(null);
  const { isOver, handlers } = useDrop(state.usable, (files) => uploads.add(files));
  useEffect(() => onCommand("sounds", {}), []);
  return (
    <section class={`lv-sounds${isOver ? " lv-sounds-over" : ""}`} aria-label="Sounds" {...handlers}>
      <div class="lv-line">
        <strong>Sounds</strong>
        <span class="lv-gap" />
        <button
          type="button"
          class="lv-button"
          disabled={!state.usable}
          title="Or drop files on this list"
          onClick={() => input.current?.click()}
        >
          <Plus size={15} aria-hidden="true" />
          Add a file
        </button>
        <input
          ref={input}
          type="file"
          hidden
          multiple
          accept={state.limits.endings.join(",")}
          onChange={(event) => {
            uploads.add(Array.from(event.currentTarget.files ?? []));
            event.currentTarget.value = "";
          }}
        />
      </div>
      <ul class="lv-sound-list" tabIndex={0} aria-label="Sounds to play">
        {state.uploads.map((upload) => (
          <UploadRow key={upload.id} upload={upload} onCancel={() => uploads.cancel(upload.id)} />
        ))}
        {state.sounds.map((sound) => (
          <Row key={sound.id} sound={sound} state={state} onCommand={onCommand} />
        ))}
      </ul>
      <p class="lv-help lv-drop">{isOver ? "Drop to add" : "From the notebook's folder, or dropped here"}</p>
    </section>
  );
}
