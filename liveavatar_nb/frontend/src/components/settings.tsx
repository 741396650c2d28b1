/** What the next start asks for. */
import type { ComponentChildren } from "preact";
import { useId } from "preact/hooks";
import type { Settings } from "../contract";
import { Choice } from "./choice";

const LATER = "Conversation comes in a later version";

const MODES = [
  { value: "LITE", label: "Your own audio" },
  { value: "FULL", label: "Conversation", blocked: LATER },
] as const;

const QUALITIES = { very_high: "Very high", high: "High", medium: "Medium", low: "Low" };
const ENCODINGS = { H264: "H.264", VP8: "VP8" };

interface Props {
  settings: Settings;
  /** Name of the avatar that the sandbox takes, where it is known. */
  sandboxAvatar: string | undefined;
  running: boolean;
  usable: boolean;
  onConfigure: (change: Partial<Settings>) => void;
}

function Row({ label, hint, children }: { label: ComponentChildren; hint: string; children: ComponentChildren }) {
  return (
    <div class="lv-row">
      <div>
        {label}
        <div class="lv-help">{hint}</div>
      </div>
      {children}
    </div>
  );
}

interface PickProps {
  label: string;
  hint: string;
  value: string;
  options: Record<string, string>;
  disabled: boolean;
  onChange: (value: string) => void;
}

function Pick({ label, hint, value, options, disabled, onChange }: PickProps) {
  const id = useId();
  const known = value in options ? options : { ...options, [value]: value };
  return (
    <Row label={<label for={id}>{label}</label>} hint={hint}>
      <select id={id} value={value} disabled={disabled} onChange={(event) => onChange(event.currentTarget.value)}>
        {Object.entries(known).map(([name, words]) => (
          <option key={name} value={name} selected={name === value}>
            {words}
          </option>
        ))}
      </select>
    </Row>
  );
}

export function SettingsForm({ settings, sandboxAvatar, running, usable, onConfigure }: Props) {
  const minutes = useId();
  const sandbox = useId();
  const only = sandboxAvatar ? `avatar ${sandboxAvatar} only` : "its own avatar only";
  return (
    <div class="lv-settings">
      {running ? <p class="lv-mute">These apply to the next start, not to the session that runs.</p> : null}
      <div class="lv-row lv-row-wide">
        <div>What it does</div>
        <Choice label="What it does" options={MODES} value={settings.mode as "LITE" | "FULL"} onChange={() => undefined} />
        <div class="lv-help">You send the sound, the avatar speaks it. {LATER}.</div>
      </div>
      <Row label={<label for={sandbox}>Sandbox</label>} hint={`Free, one minute, ${only}.`}>
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
        <input
          id={minutes}
          type="number"
          min={1}
          step={1}
          inputMode="numeric"
          value={settings.max_minutes}
          disabled={!usable || settings.is_sandbox}
          onChange={(event) => {
            const input = event.currentTarget;
            const value = input.valueAsNumber;
            if (Number.isInteger(value) && value >= 1) onConfigure({ max_minutes: value });
            else input.value = String(settings.max_minutes);
          }}
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
