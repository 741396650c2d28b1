/** The moving picture of a session and what is to be said of it. */
import { LoaderCircle, MonitorUp, RefreshCw, TriangleAlert, Volume2 } from "lucide-preact";
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { Room } from "../rooms";

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
  tone?: "busy" | "warning" | "plain";
  title: string;
  detail?: string | null;
  action?: { label: string; icon: "again" | "here"; onClick: () => void } | undefined;
}

/** Words over the stage. */
function Saying({ tone = "plain", title, detail, action }: SayingProps) {
  const Icon = action?.icon === "again" ? RefreshCw : MonitorUp;
  return (
    <div class="lv-saying" role="status">
      <span class="lv-saying-words">
        {tone === "busy" ? <LoaderCircle size={18} class="lv-spin" aria-hidden="true" /> : null}
        {tone === "warning" ? <TriangleAlert size={18} aria-hidden="true" /> : null}
        <span class="lv-saying-text">
          <strong>{title}</strong>{" "}
          {detail ? <span>{detail}</span> : null}
        </span>
      </span>
      {action ? (
        <button type="button" class="lv-glass" onClick={action.onClick}>
          <Icon size={15} aria-hidden="true" />
          {action.label}
        </button>
      ) : null}
    </div>
  );
}

/** How the page stands to the room; nothing where all is well. */
export function RoomSaying({ room, hasPicture }: { room: Room; hasPicture: boolean }): ComponentChildren {
  const { state, reason, avatar } = room.news;
  if (room.kind === "drawn") return null;
  const here = { label: "Watch here", icon: "here", onClick: () => room.join(true) } as const;
  switch (state) {
    case "joining":
      return <Saying tone="busy" title="Joining the room…" />;
    case "joined":
      if (hasPicture) return null;
      return <Saying tone="busy" title={avatar ? "The video begins…" : "Waiting for the avatar's video…"} />;
    case "reconnecting":
      return <Saying tone="busy" title="Reconnecting…" detail="The connection to the room was lost." />;
    case "unreachable":
      return (
        <Saying
          tone="warning"
          title="No video here: the face is drawn."
          detail={reason}
          action={{ label: "Try again", icon: "again", onClick: () => room.join() }}
        />
      );
    case "replaced":
      return <Saying title="Watched elsewhere." detail={reason} action={here} />;
    case "left":
      return <Saying title="Not watched here." detail={reason} action={here} />;
  }
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
