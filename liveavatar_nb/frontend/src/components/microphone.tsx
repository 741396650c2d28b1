/** The user's microphone in a conversation: a mute button, or push to talk by a button or a key. */
import { ChevronUp, LoaderCircle, Mic, MicOff } from "lucide-preact";
import { useEffect, useReducer, useRef } from "preact/hooks";
import type { Abilities } from "../contract";
import type { Link } from "../link/link";
import type { SharedRoom } from "../room/media/types";
import { Microphone as SharedMicrophone, type MicrophoneState } from "../room/microphone";
import { useId } from "./hooks";
import { Menu } from "./menu";
import { Note } from "./note";

/** The interval for drawing the level, in milliseconds: short enough to see it move, at little cost. */
const LEVEL_MS = 66;

interface Props {
  room: SharedRoom;
  link: Link;
  can: Abilities;
  /** Whether there is room for text beside the icon. */
  wide?: boolean;
}

function useMicrophone(room: SharedRoom): SharedMicrophone {
  const microphone = SharedMicrophone.of(room);
  const [, redraw] = useReducer((count: number) => count + 1, 0);
  useEffect(() => {
    const stop = microphone.onChange(() => redraw(undefined));
    const detach = microphone.attach();
    return () => {
      stop();
      detach();
    };
  }, [microphone]);
  return microphone;
}

/** Renders nothing if the avatar cannot hear a microphone of this page. */
export function Microphone(props: Props) {
  const { can, room } = props;
  return can.microphone && room.handle ? <Live {...props} /> : null;
}

function Live({ room, link, can, wide = false }: Props) {
  const microphone = useMicrophone(room);
  const problem = microphone.place === "talk" ? microphone.problem : null;
  return (
    <>
      <span class={`lv-mic lv-mic-${microphone.state}${wide ? " lv-mic-wide" : ""}`}>
        {can.push_to_talk ? (
          <HoldButton microphone={microphone} link={link} wide={wide} />
        ) : (
          <ToggleButton microphone={microphone} wide={wide} />
        )}
        {/* its place is reserved, so that nothing jumps */}
        {microphone.state === "off" || microphone.state === "opening" ? null : <Level microphone={microphone} />}
        {microphone.devices.length > 0 ? <Devices microphone={microphone} /> : null}
      </span>
      {wide && problem ? (
        <Note tone="warning" title={problem.title} remedy={problem.remedy} onDismiss={() => microphone.dismiss()} />
      ) : null}
    </>
  );
}

const TOGGLE: Record<MicrophoneState, string> = {
  off: "Turn on the microphone",
  opening: "The browser asks for the microphone",
  muted: "Unmute the microphone",
  on: "Mute the microphone",
};
/** The visible labels. Each is part of the accessible name, so that voice control finds the button. */
const SHORT: Record<MicrophoneState, string> = {
  off: "Turn on the microphone",
  opening: "The browser asks",
  muted: "Unmute",
  on: "Mute",
};

function MicIcon({ state }: { state: MicrophoneState }) {
  if (state === "opening") return <LoaderCircle size={19} class="lv-spin" aria-hidden="true" />;
  const Icon = state === "on" ? Mic : MicOff;
  return <Icon size={19} aria-hidden="true" />;
}

function ToggleButton({ microphone, wide }: { microphone: SharedMicrophone; wide: boolean }) {
  const { state } = microphone;
  return (
    <button
      type="button"
      class={wide ? "lv-button" : "lv-tool"}
      aria-label={TOGGLE[state]}
      title={TOGGLE[state]}
      disabled={state === "opening"}
      onClick={() => void microphone.listen(state !== "on", wide ? "talk" : "stage")}
    >
      <MicIcon state={state} />
      {wide ? SHORT[state] : null}
    </button>
  );
}

/** A button that turns the microphone on while held, and reports the begin and end of the turn. */
function HoldButton({ microphone, link, wide }: { microphone: SharedMicrophone; link: Link; wide: boolean }) {
  const button = useRef<HTMLButtonElement>(null);
  const isHeld = useRef(false);
  const isTold = useRef(false);
  const hold = async (isOn: boolean): Promise<void> => {
    if (isHeld.current === isOn) return;
    isHeld.current = isOn;
    const isAsWanted = await microphone.listen(isOn, wide ? "talk" : "stage");
    if (isOn) {
      if (!isHeld.current || !isAsWanted || isTold.current) return;
      isTold.current = true;
      link.send("push_to_talk", { on: true });
    } else if (isTold.current && !isHeld.current) {
      isTold.current = false;
      link.send("push_to_talk", { on: false });
    }
  };
  useEffect(() => {
    const release = (): void => void hold(false);
    const stage = button.current?.closest<HTMLElement>(".lv-stage");
    // Space also works on the stage itself, which has the focus after a click
    const onKey = (event: KeyboardEvent): void => {
      if (event.key !== " " || (event.target !== stage && event.target !== button.current)) return;
      event.preventDefault();
      void hold(event.type === "keydown");
    };
    const own = stage ?? button.current;
    own?.addEventListener("keydown", onKey);
    own?.addEventListener("keyup", onKey);
    // a release that we cannot see, because the focus, the window or the page went away
    own?.addEventListener("focusout", release);
    window.addEventListener("blur", release);
    document.addEventListener("visibilitychange", release);
    return () => {
      release();
      own?.removeEventListener("keydown", onKey);
      own?.removeEventListener("keyup", onKey);
      own?.removeEventListener("focusout", release);
      window.removeEventListener("blur", release);
      document.removeEventListener("visibilitychange", release);
    };
  }, [microphone, link]);
  return (
    <button
      ref={button}
      type="button"
      class={wide ? "lv-button" : "lv-tool"}
      aria-label="Hold to talk"
      title="Hold to talk (or hold Space; Enter begins and ends)"
      aria-pressed={microphone.state === "on"}
      onPointerDown={(event) => {
        if (event.button !== 0) return;
        event.currentTarget.setPointerCapture(event.pointerId);
        void hold(true);
      }}
      onPointerUp={() => void hold(false)}
      onPointerCancel={() => void hold(false)}
      onLostPointerCapture={() => void hold(false)}
      onClick={(event) => {
        // a click by Enter or a screen reader, which cannot hold a button
        if (event.detail === 0) void hold(!isHeld.current);
      }}
      onContextMenu={(event) => event.preventDefault()}
    >
      <MicIcon state={microphone.state} />
      {wide ? "Hold to talk" : null}
    </button>
  );
}

function Level({ microphone }: { microphone: SharedMicrophone }) {
  const bar = useRef<HTMLElement>(null);
  const isOn = microphone.state === "on";
  useEffect(() => {
    const show = (): void => bar.current?.style.setProperty("--level", microphone.level().toFixed(3));
    show();
    if (!isOn) return undefined;
    const timer = setInterval(() => {
      if (!document.hidden) show();
    }, LEVEL_MS);
    return () => clearInterval(timer);
  }, [microphone, isOn]);
  return (
    <span class="lv-level" aria-hidden="true">
      <i ref={bar} />
    </span>
  );
}

function Devices({ microphone }: { microphone: SharedMicrophone }) {
  const name = useId();
  return (
    <Menu label="Microphones" icon={<ChevronUp size={15} aria-hidden="true" />}>
      {(close) => (
        <div class="lv-devices">
          <strong>Microphone</strong>
          {microphone.devices.map(({ id, name: label }) => (
            <label key={id}>
              <input
                type="radio"
                name={name}
                checked={id === microphone.deviceId}
                onChange={() => void microphone.choose(id)}
              />
              <span>{label}</span>
            </label>
          ))}
          <button
            type="button"
            class="lv-button"
            disabled={microphone.state === "off"}
            onClick={() => {
              microphone.close();
              close();
            }}
          >
            <MicOff size={15} aria-hidden="true" />
            Turn it off
          </button>
        </div>
      )}
    </Menu>
  );
}

/** Shows that the avatar hears the microphone, even while the controls are hidden. */
export function MicrophoneMark({ room, can }: { room: SharedRoom; can: Abilities }) {
  return can.microphone && room.handle ? <OnMark room={room} /> : null;
}

function OnMark({ room }: { room: SharedRoom }) {
  const microphone = useMicrophone(room);
  if (microphone.state !== "on") return null;
  return (
    <span class="lv-mic-mark" role="img" aria-label="Your microphone is on" title="Your microphone is on">
      <Mic size={15} aria-hidden="true" />
    </span>
  );
}

/** A message over the stage: why there is no microphone, and what to do. */
export function MicrophoneNote({ room, can }: { room: SharedRoom; can: Abilities }) {
  return can.microphone && room.handle ? <ProblemNote room={room} /> : null;
}

function ProblemNote({ room }: { room: SharedRoom }) {
  const microphone = useMicrophone(room);
  if (!microphone.problem || microphone.place !== "stage") return null;
  return (
    <div class="lv-mic-problem" role="alert">
      <MicOff size={18} aria-hidden="true" />
      <span>
        <strong>{microphone.problem.title}</strong> <span>{microphone.problem.remedy}</span>
      </span>
      <button type="button" class="lv-link" onClick={() => microphone.dismiss()}>
        Dismiss
      </button>
    </div>
  );
}
