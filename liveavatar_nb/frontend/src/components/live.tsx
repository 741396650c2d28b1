/** The moving picture of a session and what is to be said of it. */
import { LoaderCircle, MonitorUp, Volume2 } from "lucide-preact";
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { Room } from "../rooms";
import { Note } from "./note";

interface VideoProps {
  track: MediaStreamTrack;
  /** With its first frame, and with null when it is gone. */
  onPicture: (video: HTMLVideoElement | null) => void;
}

/** Without its sound, which the room plays once for all views. */
export function LiveVideo({ track, onPicture }: VideoProps) {
  const video = useRef<HTMLVideoElement>(null);
  const [isTall, setTall] = useState(false);
  const [hasFrame, setFrame] = useState(false);
  useEffect(() => {
    const element = video.current;
    if (!element) return undefined;
    let isGone = false;
    element.srcObject = new MediaStream([track]);
    void element.play().catch(() => undefined);
    element.requestVideoFrameCallback(() => {
      if (isGone) return;
      setFrame(true);
      onPicture(element);
    });
    return () => {
      isGone = true;
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

interface SayingProps {
  isBusy?: boolean;
  title: string;
  detail?: string | null;
  onWatch?: (() => void) | undefined;
}

/** Words over the stage. */
function Saying({ isBusy = false, title, detail, onWatch }: SayingProps) {
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

/** How the page stands to the room; nothing where all is well. */
export function RoomSaying({ room, hasPicture }: { room: Room; hasPicture: boolean }): ComponentChildren {
  const { state, reason, avatar } = room.news;
  if (room.kind === "drawn") return null;
  const onWatch = (): void => room.join(true);
  switch (state) {
    case "joining":
      return <Saying isBusy title="Joining the room…" />;
    case "joined":
      if (hasPicture) return null;
      return <Saying isBusy title={avatar ? "The video begins…" : "Waiting for the avatar's video…"} />;
    case "reconnecting":
      return <Saying isBusy title="Reconnecting…" detail="The connection to the room was lost." />;
    case "unreachable":
      return null;
    case "replaced":
      return <Saying title="Watched elsewhere." detail={reason} onWatch={onWatch} />;
    case "left":
      return <Saying title="Not watched here." detail={reason} onWatch={onWatch} />;
  }
}

/** Under the picture, whose face is drawn: why, and a way to try again. */
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

/** Over the picture while the browser holds sound back. */
export function EnableSound({ room }: { room: Room }) {
  return (
    <button type="button" class="lv-glass lv-enable" onClick={() => void room.startAudio()}>
      <Volume2 size={20} aria-hidden="true" />
      Enable sound
    </button>
  );
}
