/** The settings of the next session. */
import { useState } from "preact/hooks";
import type { Mode, Settings } from "../contract";
import { rate, sandboxLife } from "../words";
import { Choice } from "./choice";
import { useId } from "./hooks";
import { PersonaForm, type PersonaProps } from "./persona";
import { Pick, Row } from "./row";

const MODES = [
  { value: "FULL", label: "Conversation" },
  { value: "LITE", label: "Your own audio" },
] as const;

const WHAT: Record<Mode, string> = {
  FULL: "It hears, answers and speaks by itself (FULL).",
  LITE: "You send the sound, the avatar speaks it (LITE).",
};

const QUALITIES: Record<Settings["video_quality"], string> = {
  very_high: "Very high",
  high: "High",
  medium: "Medium",
  low: "Low",
};
const ENCODINGS: Record<Settings["video_encoding"], string> = { H264: "H.264", VP8: "VP8" };

interface Props extends PersonaProps {
  /** The name of the sandbox's avatar, if it is known. */
  sandboxAvatar: string | undefined;
  running: boolean;
}

interface MinutesProps {
  id: string;
  value: number;
  disabled: boolean;
  onChange: (minutes: number) => void;
}

/** What the user types stays until it is committed, even if the field is redrawn. */
function Minutes({ id, value, disabled, onChange }: MinutesProps) {
  const [typed, setTyped] = useState<string | null>(null);
  return (
    <input
      id={id}
      type="number"
      min={1}
      step={1}
      inputMode="numeric"
      value={typed ?? value}
      disabled={disabled}
      onInput={(event) => setTyped(event.currentTarget.value)}
      onBlur={() => setTyped(null)}
      onChange={(event) => {
        const minutes = event.currentTarget.valueAsNumber;
        setTyped(null);
        if (Number.isInteger(minutes) && minutes >= 1) onChange(minutes);
      }}
    />
  );
}

export function SettingsForm(props: Props) {
  const { settings, sandboxAvatar, running, usable, onCommand } = props;
  const onConfigure = (change: Partial<Settings>): void => onCommand("configure", { ...change });
  const minutes = useId();
  const sandbox = useId();
  const only = sandboxAvatar ? `avatar ${sandboxAvatar} only` : "its own avatar only";
  return (
    <div class="lv-settings">
      {running ? <p class="lv-mute">These apply to the next start, not to the session that runs.</p> : null}
      <div class="lv-row lv-row-wide">
        <div>What it does</div>
        <Choice
          label="What it does"
          options={MODES}
          value={settings.mode}
          disabled={!usable}
          onChange={(mode) => onConfigure({ mode })}
        />
        <div class="lv-help">{`${WHAT[settings.mode]} ${rate(settings.mode)}.`}</div>
      </div>
      {settings.mode === "FULL" ? <PersonaForm {...props} /> : null}
      <Row label={<label for={sandbox}>Sandbox</label>} hint={`Free, ${sandboxLife}, ${only}.`}>
        <input
          id={sandbox}
          class="lv-switch"
          type="checkbox"
          role="switch"
          checked={settings.is_sandbox}
          disabled={!usable}
          onChange={(event) => onConfigure({ is_sandbox: event.currentTarget.checked })}
        />
      </Row>
      <Row label={<label for={minutes}>Minutes at most</label>} hint="The service itself ends it then, whatever happens here.">
        <Minutes
          id={minutes}
          value={settings.max_minutes}
          disabled={!usable || settings.is_sandbox}
          onChange={(max_minutes) => onConfigure({ max_minutes })}
        />
      </Row>
      <Pick
        label="Video quality"
        hint="More needs a faster line."
        value={settings.video_quality}
        options={QUALITIES}
        disabled={!usable}
        onChange={(video_quality) => onConfigure({ video_quality })}
      />
      <Pick
        label="Video encoding"
        hint="H.264 suits most browsers."
        value={settings.video_encoding}
        options={ENCODINGS}
        disabled={!usable}
        onChange={(video_encoding) => onConfigure({ video_encoding })}
      />
    </div>
  );
}
