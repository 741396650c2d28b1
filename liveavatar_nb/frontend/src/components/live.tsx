/** A session's moving picture, and messages about it. */
import { LoaderCircle, MonitorUp, Volume2 } from "lucide-preact";
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { Room } from "../room/room";
import { Note } from "./note";

interface VideoProps {
  track: MediaStreamTrack;
  /** Called with its first frame, and with null when it is gone. */
  onPicture: (video: HTMLVideoElement | null) => void;
}

/** Events that imply a frame, for browsers that do not report each one (Firefox before 132). */
const FRAME_EVENTS = ["loadeddata", "timeupdate"] as const;

/** Calls `onFrame` once, with the first frame, unless the returned function is called first. */
function onFirstFrame(video: HTMLVideoElement, onFrame: () => void): () => void {
  if (typeof video.requestVideoFrameCallback === "function") {
    const id = video.requestVideoFrameCallback(onFrame);
    return () => video.cancelVideoFrameCallback(id);
  }
  const end = (): void => FRAME_EVENTS.forEach((name) => video.removeEventListener(name, check));
  const check = (): void => {
    // events of the previous video may still arrive
    if (video.readyState < HTMLMediaElement.HAVE_CURRENT_DATA || video.videoWidth === 0) return;
    end();
    onFrame();
  };
  for (const name of FRAME_EVENTS) video.addEventListener(name, check);
  return end;
}

/** The video without sound, which the room plays once for all views. */
export function LiveVideo({ track, onPicture }: VideoProps) {
  const video = useRef<HTMLVideoElement>(null);
  const [isTall, setTall] = useState(false);
  const [hasFrame, setFrame] = useState(false);
  useEffect(() => {
    const element = video.current;
    if (!element) return undefined;
    element.srcObject = new MediaStream([track]);
    void element.play().catch(() => undefined);
    const unwait = onFirstFrame(element, () => {
      setFrame(true);
      onPicture(element);
    });
    return () => {
      unwait();
      element.srcObject = null;
      setFrame(false);
      onPicture(null);
    };
  }, [track]);
  return (
    <video
      ref={video}
      class={`lv-picture${hasFrame ? "" : " lv-unseen"}${isTall ? " lv-tall" : ""}`}
      muted
      autoplay
      playsInline
      disablePictureInPicture
      aria-hidden="true"
      onResize={(event) => setTall(event.currentTarget.videoHeight > event.currentTarget.videoWidth)}
    />
  );
}

interface StageMessageProps {
  isBusy?: boolean;
  title: string;
  detail?: string | null;
  onWatch?: (() => void) | undefined;
}

/** A message over the stage. */
function StageMessage({ isBusy = false, title, detail, onWatch }: StageMessageProps) {
  return (
    <div class="lv-saying" role="status">
      {isBusy ? <LoaderCircle size={18} class="lv-spin" aria-hidden="true" /> : null}
      <span class="lv-saying-text">
        <strong>{title}</strong> {detail ? <span>{detail}</span> : null}
      </span>
      {onWatch ? (
        <button type="button" class="lv-glass" onClick={onWatch}>
          <MonitorUp size={15} aria-hidden="true" />
          Watch here
        </button>
      ) : null}
    </div>
  );
}

/** The page's trouble with the room; nothing if all is well. */
export function RoomMessage({ room, hasPicture }: { room: Room; hasPicture: boolean }): ComponentChildren {
  const { state, reason, avatar } = room.news;
  if (room.kind === "drawn") return null;
  const onWatch = (): void => room.join(true);
  switch (state) {
    case "joining":
      return <StageMessage isBusy title="Joining the room…" />;
    case "joined":
      if (hasPicture) return null;
      return <StageMessage isBusy title={avatar ? "The video begins…" : "Waiting for the avatar's video…"} />;
    case "reconnecting":
      return <StageMessage isBusy title="Reconnecting…" detail="The connection to the room was lost." />;
    case "unreachable":
      return null;
    case "replaced":
      return <StageMessage title="Watched elsewhere." detail={reason} onWatch={onWatch} />;
    case "left":
      return <StageMessage title="Not watched here." detail={reason} onWatch={onWatch} />;
  }
}

/** Below a drawn face: the reason why it is drawn, and a button to try again. */
export function UnreachableNote({ room }: { room: Room }) {
  const { state, reason } = room.news;
  if (state !== "unreachable") return null;
  return (
    <Note
      tone="warning"
      title="No video here: the face is drawn."
      detail={reason ?? undefined}
      action={{ label: "Try again", onClick: () => room.join() }}
    />
  );
}

/** Over the picture while the browser blocks sound. */
export function EnableSound({ room }: { room: Room }) {
  return (
    <button type="button" class="lv-glass lv-enable" onClick={() => void room.startAudio()}>
      <Volume2 size={20} aria-hidden="true" />
      Enable sound
    </button>
  );
}
