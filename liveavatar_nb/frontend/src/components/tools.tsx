/** Tools for the picture: removing its background, a snapshot, a recording. */
import { Camera, CircleDot, Pipette, Square, Trash, Wallpaper } from "lucide-preact";
import { useEffect, useMemo, useReducer, useRef, useState } from "preact/hooks";
import type { Saved } from "../contract";
import type { Link } from "../link/link";
import type { Picturing, SharedRoom } from "../room/media/types";
import { Backdrop, type BackdropKind } from "../tools/backdrop";
import type { Key } from "../tools/chroma";
import { fromHex, toHex } from "../tools/colours";
import { Desk, type Stand } from "../tools/desk";
import { pickPoint } from "../tools/pick";
import { BUTTON_LIMITS } from "../tools/recorder";
import { clock, limit, megabytes } from "../words";
import { Choice } from "./choice";
import { useNow } from "./hooks";
import { Menu } from "./menu";

/** How long a message about a saved file is shown. */
const NEWS_MS = 8000;

function useDesk(link: Link): Desk {
  const desk = Desk.of(link);
  const [, redraw] = useReducer((count: number) => count + 1, 0);
  useEffect(() => desk.onChange(() => redraw(undefined)), [desk]);
  return desk;
}

interface Props {
  room: SharedRoom;
  link: Link;
  /** null before the first frame. */
  picture: Picturing | null;
  /** Shows a canvas in place of the picture, laid out by the stage; null shows the picture again. */
  onReplace: (canvas: HTMLCanvasElement | null) => void;
}

/** The tools' buttons, for the bar of a stage that shows a picture. */
export function ViewTools({ room, link, picture, onReplace }: Props) {
  const desk = useDesk(link);
  const replace = useRef(onReplace);
  replace.current = onReplace;
  const stand = useMemo<Stand>(() => {
    const backdrop = new Backdrop(desk.look, (canvas) => replace.current(canvas), desk.changed);
    return { room, backdrop, picture: null };
  }, [desk, room]);
  useEffect(() => {
    const detach = desk.attach(stand);
    return () => {
      detach();
      stand.backdrop.close();
    };
  }, [desk, stand]);
  useEffect(() => {
    stand.picture = picture;
    stand.backdrop.setSource(picture);
  }, [stand, picture]);
  const session = link.get("status");
  useEffect(() => desk.follow(session), [desk, session?.id, session?.state]);
  const { recorder } = desk;
  const isRecording = recorder.state === "recording";
  return (
    <>
      <BackdropMenu desk={desk} stand={stand} disabled={picture === null} />
      <button
        type="button"
        class="lv-tool"
        aria-label="Take a snapshot"
        title="Take a snapshot"
        disabled={picture === null || desk.isTaking}
        onClick={() => void desk.snapshot(stand)}
      >
        <Camera size={19} aria-hidden="true" />
      </button>
      <button
        type="button"
        class={`lv-tool${isRecording ? " lv-tool-recording" : ""}`}
        aria-label={isRecording ? "Stop the recording" : "Record"}
        title={isRecording ? "Stop the recording" : `Record: ${limit(BUTTON_LIMITS.seconds)} or ${megabytes(BUTTON_LIMITS.bytes)} at most`}
        disabled={picture === null || recorder.state === "starting" || recorder.state === "saving"}
        onClick={() => (isRecording ? recorder.stop() : desk.record(stand))}
      >
        {isRecording ? (
          <Square size={16} fill="currentColor" aria-hidden="true" />
        ) : (
          <CircleDot size={19} aria-hidden="true" />
        )}
      </button>
    </>
  );
}

const KINDS: readonly { value: BackdropKind; label: string }[] = [
  { value: "original", label: "Off" },
  { value: "nothing", label: "Nothing" },
  { value: "colour", label: "Colour" },
  { value: "picture", label: "Picture" },
];

function BackdropMenu({ desk, stand, disabled }: { desk: Desk; stand: Stand; disabled: boolean }) {
  const { backdrop } = stand;
  const { look } = desk;
  const unpick = useRef<() => void>(() => undefined);
  const [isPicking, setPicking] = useState(false);
  useEffect(() => () => unpick.current(), [stand]);
  const file = useRef<HTMLInputElement>(null);
  const isLocked = desk.recorder.state !== "idle";
  const isKeyed = look.kind !== "original";
  const pick = (close: () => void): void => {
    const { picture } = stand;
    if (!picture) return;
    close();
    setPicking(true);
    unpick.current = pickPoint(backdrop.canvas ?? picture, picture, (point) => {
      setPicking(false);
      if (point) backdrop.keyFrom(point.x, point.y);
    });
  };
  const choose = (kind: BackdropKind): void => {
    if (kind === "picture" && !look.picture) file.current?.click();
    else backdrop.use(kind);
  };
  const setPicture = (files: FileList | null | undefined): void => {
    if (files?.[0]) void backdrop.setPicture(files[0]);
  };
  return (
    <>
      <Menu
        label="Background"
        icon={<Wallpaper size={19} aria-hidden="true" />}
        isOn={isKeyed || isPicking}
        disabled={disabled}
      >
        {(close) => (
          <div
            class="lv-backdrop"
            onDragOver={(event) => event.preventDefault()}
            onDrop={(event) => {
              event.preventDefault();
              if (!isLocked) setPicture(event.dataTransfer?.files);
            }}
          >
            <strong>Behind the avatar</strong>
            <Choice label="Behind the avatar" options={KINDS} value={look.kind} disabled={isLocked} onChange={choose} />
            {look.kind === "colour" ? (
              <label class="lv-line">
                Colour
                <span class="lv-gap" />
                <input
                  type="color"
                  value={look.colour}
                  disabled={isLocked}
                  onInput={(event) => backdrop.setColour(event.currentTarget.value)}
                />
              </label>
            ) : null}
            {look.kind === "picture" ? (
              <div class="lv-line">
                <span class="lv-cut" title={look.pictureName}>
                  {look.pictureName}
                </span>
                <span class="lv-gap" />
                <button type="button" class="lv-button" disabled={isLocked} onClick={() => file.current?.click()}>
                  Another
                </button>
              </div>
            ) : null}
            {isKeyed ? <KeyForm stand={stand} keyed={look.key} disabled={isLocked} onPick={() => pick(close)} /> : null}
            <p class="lv-help" role="status">
              {isLocked
                ? "While it records, the background stays as it is."
                : (look.words ?? "What has the key's colour goes; a picture can be dropped here.")}
            </p>
          </div>
        )}
      </Menu>
      <input
        ref={file}
        type="file"
        accept="image/*"
        hidden
        aria-label="Picture for the background"
        onChange={(event) => {
          setPicture(event.currentTarget.files);
          event.currentTarget.value = "";
        }}
      />
    </>
  );
}

const SLIDERS: readonly { name: "similarity" | "smoothness" | "spill"; label: string; title: string }[] = [
  { name: "similarity", label: "Reach", title: "How much around the key's colour goes" },
  { name: "smoothness", label: "Softness", title: "How soft the edge is" },
  { name: "spill", label: "Clean-up", title: "How much of the key's shine is taken off the avatar" },
];

interface KeyProps {
  stand: Stand;
  keyed: Key;
  disabled: boolean;
  onPick: () => void;
}

function KeyForm({ stand: { backdrop }, keyed, disabled, onPick }: KeyProps) {
  return (
    <fieldset class="lv-key" disabled={disabled}>
      <legend class="lv-sr">Key</legend>
      <div class="lv-line">
        <label class="lv-line">
          <input
            type="color"
            aria-label="Colour that is taken out"
            value={toHex(keyed.colour)}
            onInput={(event) => backdrop.tune({ colour: fromHex(event.currentTarget.value) })}
          />
          Key
        </label>
        <span class="lv-gap" />
        <button type="button" class="lv-link" title="Pick the colour in the video" onClick={onPick}>
          <Pipette size={14} aria-hidden="true" />
          Pick
        </button>
        <button
          type="button"
          class="lv-link"
          title="Take the colour of the video's corners"
          onClick={() => backdrop.keyFromCorners()}
        >
          Corners
        </button>
      </div>
      {SLIDERS.map(({ name, label, title }) => (
        <label key={name} class="lv-slider" title={title}>
          {label}
          <input
            type="range"
            min={0}
            max={100}
            step={1}
            value={Math.round(keyed[name] * 100)}
            onInput={(event) => backdrop.tune({ [name]: Number(event.currentTarget.value) / 100 })}
          />
          <output>{Math.round(keyed[name] * 100)}</output>
        </label>
      ))}
    </fieldset>
  );
}

/** Shows that a recording is running, with its length and size; always visible. */
export function RecordingMark({ link }: { link: Link }) {
  const { recorder } = useDesk(link);
  const isRecording = recorder.state === "recording";
  const now = useNow(isRecording, 500);
  if (!isRecording && recorder.state !== "saving") return null;
  const progress = `${clock(recorder.secondsAt(now))} · ${megabytes(recorder.bytes)}`;
  return (
    <span class="lv-recording">
      <i class={isRecording ? "lv-rec-dot" : ""} aria-hidden="true" />
      <span class="lv-sr">{isRecording ? "Recording" : "Saving the recording"}</span>
      <span role="timer">{progress}</span>
      {isRecording ? (
        <>
          <button type="button" title="Stop and keep it" aria-label="Stop and keep it" onClick={() => recorder.stop()}>
            <Square size={12} fill="currentColor" aria-hidden="true" />
          </button>
          <button type="button" title="Stop and throw it away" aria-label="Stop and throw it away" onClick={() => recorder.cancel()}>
            <Trash size={13} aria-hidden="true" />
          </button>
        </>
      ) : (
        <span aria-hidden="true">saving…</span>
      )}
    </span>
  );
}

function savedWords({ kind, path, seconds, bytes }: Saved): string {
  const noun = kind === "snapshot" ? "Snapshot" : "Recording";
  if (path === null) return `${noun} handed to Python.`;
  const length = seconds === null ? [] : [clock(seconds)];
  const size = bytes === null ? [] : [megabytes(bytes)];
  const more = [...length, ...size].join(", ");
  return `${noun} saved: ${path.split(/[\\/]/).at(-1)}${more ? ` (${more})` : ""}`;
}

/** The result of the last snapshot or recording, shown for a while. */
export function ToolNews({ link }: { link: Link }) {
  const desk = useDesk(link);
  const saved = link.get("saved");
  const first = useRef(saved);
  const [news, setNews] = useState<Saved | null>(null);
  useEffect(() => {
    if (saved === first.current || saved === null) return undefined;
    first.current = saved;
    setNews(saved);
    const timer = setTimeout(() => setNews(null), NEWS_MS);
    return () => clearTimeout(timer);
  }, [saved]);
  const words = desk.words ?? desk.recorder.words;
  useEffect(() => {
    if (words === null) return undefined;
    const timer = setTimeout(() => desk.dismiss(), NEWS_MS);
    return () => clearTimeout(timer);
  }, [words]);
  const lines = [words, news && savedWords(news)].filter((line) => line !== null);
  return (
    <div class="lv-tool-news" role="status">
      {lines.map((line) => (
        <span key={line} title={news?.path ?? undefined}>
          {line}
        </span>
      ))}
    </div>
  );
}
