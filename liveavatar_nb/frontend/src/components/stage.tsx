/** The avatar, live or as a still, with captions and controls. */
import { FlaskConical, MonitorOff, UserRound } from "lucide-preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { Picture } from "../contract";
import type { Link } from "../link/link";
import type { Picturing } from "../room/media/types";
import type { Room } from "../room/room";
import type { PanelState } from "../state/state";
import { DrawnFace } from "./drawnface";
import { Face } from "./face";
import { useRoom } from "./inroom";
import { EnableSound, LiveVideo, RoomMessage, UnreachableNote } from "./live";
import { Microphone, MicrophoneMark, MicrophoneNote } from "./microphone";
import { Pill } from "./pill";
import { RecordingMark, ToolNews, ViewTools } from "./tools";
import { QualityMark, ViewBar } from "./viewbar";

/** The controls are hidden after this time without a movement. */
const REST_MS = 2600;

interface Props {
  link: Link;
  state: PanelState;
  avatarId: string;
  name: string;
  picture: Picture | null;
}

function useFullScreen(stage: { current: HTMLElement | null }): [boolean, () => void] {
  const [isFull, setFull] = useState(false);
  useEffect(() => {
    const update = (): void => setFull(document.fullscreenElement === stage.current && stage.current !== null);
    document.addEventListener("fullscreenchange", update);
    return () => document.removeEventListener("fullscreenchange", update);
  }, []);
  const toggle = (): void => {
    if (document.fullscreenElement === stage.current) void document.exitFullscreen();
    else void stage.current?.requestFullscreen().catch(() => undefined);
  };
  return [isFull, toggle];
}

/** Whether the controls are visible: while the pointer moves over the stage. */
function useAwake(): [boolean, () => void, () => void] {
  const [isAwake, setAwake] = useState(false);
  const timer = useRef<ReturnType<typeof setTimeout>>();
  useEffect(() => () => clearTimeout(timer.current), []);
  const wake = (): void => {
    clearTimeout(timer.current);
    timer.current = setTimeout(() => setAwake(false), REST_MS);
    setAwake(true);
  };
  const rest = (): void => {
    clearTimeout(timer.current);
    setAwake(false);
  };
  return [isAwake, wake, rest];
}

/** A tool's canvas, shown in place of the picture. */
function Replaced({ canvas }: { canvas: HTMLCanvasElement }) {
  const home = useRef<HTMLDivElement>(null);
  useEffect(() => {
    canvas.classList.add("lv-picture");
    home.current?.replaceChildren(canvas);
  }, [canvas]);
  return <div class="lv-replaced" ref={home} />;
}

/** The reason if no video is shown; null if there is one, or nothing is shown. */
function drawnWords(room: Room | null, words: string | null | undefined): string | null {
  if (room?.kind !== "drawn") return null;
  return words || "Simulated: there is no media server, so this page draws the face.";
}

export function Stage({ link, state, avatarId, name, picture }: Props) {
  const stage = useRef<HTMLDivElement>(null);
  const room = useRoom(link);
  const [isFull, toggleFull] = useFullScreen(stage);
  const [isAwake, wake, rest] = useAwake();
  const [captions, setCaptions] = useState(true);
  const [shown, setShown] = useState<Picturing | null>(null);
  const [replaced, setReplaced] = useState<HTMLCanvasElement | null>(null);
  const { speaking, session, status } = state;
  const track = room?.handle?.video ?? null;
  const said = captions ? speaking.caption : null;
  const hasSound = room !== null && (room.kind === "drawn" || room.handle?.audio != null);
  const isDrawn = room !== null && (room.kind === "drawn" || room.news.state === "unreachable");
  const isOver = status === "gone" || ((status === "ended" || status === "failed") && session?.avatar_id === avatarId);
  const words = drawnWords(room, session?.room?.words);
  const onKeyDown = (event: KeyboardEvent): void => {
    if (!room || event.ctrlKey || event.metaKey || event.altKey || event.target instanceof HTMLInputElement) return;
    if (event.key === "m") room.setMuted(!room.muted);
    else if (event.key === "c") setCaptions(!captions);
    else if (event.key === "f" && document.fullscreenEnabled) toggleFull();
    else if (event.key === "ArrowUp" && event.target === stage.current) room.setVolume(room.volume + 0.1);
    else if (event.key === "ArrowDown" && event.target === stage.current) room.setVolume(room.volume - 0.1);
    else return;
    event.preventDefault();
    wake();
  };
  if (!avatarId) {
    return (
      <div class={`lv-stage lv-stage-${status}`}>
        <div class="lv-stage-empty">
          <UserRound size={44} strokeWidth={1.25} aria-hidden="true" />
          <strong>Pick an avatar to begin</strong>
          <span>Nothing runs and nothing is billed until you press Start.</span>
        </div>
        <span class="lv-pills">
          <Pill state={state} />
        </span>
      </div>
    );
  }
  const classes = ["lv-stage", `lv-stage-${status}`, room ? "lv-stage-on" : "", isAwake ? "lv-awake" : ""];
  if (isOver) classes.push("lv-stage-over");
  if (room?.news.state === "reconnecting") classes.push("lv-stage-dim");
  return (
    <>
      <div
        ref={stage}
        class={classes.filter(Boolean).join(" ")}
        role="group"
        aria-label={`${name} on the stage`}
        tabIndex={room ? 0 : undefined}
        onKeyDown={onKeyDown}
        onPointerMove={wake}
        onPointerDown={wake}
        onPointerLeave={rest}
      >
        {shown && room ? null : (
          <Face key={avatarId} avatarId={avatarId} name={name} picture={picture} pictures={link.pictures} />
        )}
        {room && track ? <LiveVideo track={track} onPicture={setShown} /> : null}
        {room && isDrawn ? (
          <DrawnFace
            room={room}
            link={link}
            avatarId={avatarId}
            name={name}
            hasPictures={state.simulated}
            isTalking={speaking.agent === "talking"}
            onCanvas={setShown}
          />
        ) : null}
        {replaced ? <Replaced canvas={replaced} /> : null}
        <span class="lv-pills">
          <Pill state={state} />
        </span>
        <span class="lv-marks">
          <RecordingMark link={link} />
          {room ? <MicrophoneMark room={room} can={speaking.can} /> : null}
          {room && (state.simulated || isDrawn) ? (
            <span class="lv-pill lv-simulated" title={words ?? undefined}>
              {state.simulated ? <FlaskConical size={13} aria-hidden="true" /> : <MonitorOff size={13} aria-hidden="true" />}
              {state.simulated ? "Simulated" : "Drawn"}
            </span>
          ) : null}
          {room?.handle ? <QualityMark quality={room.quality} /> : null}
        </span>
        <div class="lv-lower">
          <ToolNews link={link} />
          {room ? <MicrophoneNote room={room} can={speaking.can} /> : null}
          {room ? <RoomMessage room={room} hasPicture={shown !== null} /> : null}
          {room && hasSound && !room.canPlayAudio ? <EnableSound room={room} /> : null}
          {said ? (
            <p class="lv-said" aria-live="polite">
              <span>{said}</span>
            </p>
          ) : null}
        </div>
        {room && shown ? (
          <ViewBar
            room={room}
            captions={captions}
            isFull={isFull}
            canBeFull={document.fullscreenEnabled}
            onCaptions={() => setCaptions(!captions)}
            onFull={toggleFull}
          >
            <Microphone room={room} link={link} can={speaking.can} />
            <ViewTools room={room} link={link} picture={shown} onReplace={setReplaced} />
          </ViewBar>
        ) : said ? null : (
          <span class="lv-caption lv-cut">{name}</span>
        )}
      </div>
      {room ? <UnreachableNote room={room} /> : null}
      {words ? <p class="lv-stage-words">{words}</p> : null}
    </>
  );
}
