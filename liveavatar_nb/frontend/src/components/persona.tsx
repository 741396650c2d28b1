/** The avatar's persona in a conversation: its context with prompt and opening, its voice and its language. */
import { LoaderCircle, Pencil, Plus, Search, Square, Volume2 } from "lucide-preact";
import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import type { ContextDetail, Persona, Settings, Voice } from "../contract";
import { LONGEST_CONTEXT_NAME, LONGEST_OPENING, LONGEST_PROMPT, LONGEST_VALUE } from "../limits";
import type { Send } from "../link/commands";
import type { Drafts, Edit, Fresh } from "../link/drafts";
import type { Previews } from "../link/previews";
import { fold, plural } from "../words";
import { Choice } from "./choice";
import { useId } from "./hooks";
import { Note } from "./note";
import { Pick, Typed } from "./row";

/** The most voices that are listed; the search finds the rest. */
const SHOWN_VOICES = 60;

const TURNS = [
  { value: "CONVERSATIONAL", label: "Just talk" },
  { value: "PUSH_TO_TALK", label: "Push to talk" },
] as const;

const PASSING = "Made at the start, deleted with the session.";

export interface PersonaProps {
  settings: Settings;
  persona: Persona;
  /** The picked context in full; null while it is loading. */
  context: ContextDetail | null;
  drafts: Drafts;
  previews: Previews;
  /** Commands still waiting for their answer. */
  isMaking: boolean;
  isSaving: boolean;
  /** Whether the avatar is a picture, without a voice of its own. */
  needsVoice: boolean;
  usable: boolean;
  onCommand: Send;
}

interface AreaProps {
  label: string;
  value: string;
  rows: number;
  longest: number;
  placeholder: string;
  disabled: boolean;
  onInput: (text: string) => void;
}

function Area({ label, value, rows, longest, placeholder, disabled, onInput }: AreaProps) {
  return (
    <label class="lv-typed">
      <span>{label}</span>
      <textarea
        rows={rows}
        value={value}
        maxLength={longest}
        placeholder={placeholder}
        disabled={disabled}
        dir="auto"
        onInput={(event) => onInput(event.currentTarget.value)}
      />
    </label>
  );
}

/** Warns of a variable in its old form, which the service leaves as it is. */
function OldVariable({ prompt, opening_text }: Edit) {
  const old = /\{\{\s*([^\s{}]+)\s*\}\}/.exec(`${prompt}\n${opening_text}`);
  return old ? (
    <div class="lv-caution" role="status">
      {`LiveAvatar does not fill in ${old[0]}. Write \${${old[1]}}.`}
    </div>
  ) : null;
}

function PromptFields({ edit, disabled, onEdit }: { edit: Edit; disabled: boolean; onEdit: (change: Partial<Edit>) => void }) {
  return (
    <>
      <Area
        label="Prompt"
        value={edit.prompt}
        rows={6}
        longest={LONGEST_PROMPT}
        placeholder="Who it is, what it knows, how it answers. ${name} is filled in for each session."
        disabled={disabled}
        onInput={(prompt) => onEdit({ prompt })}
      />
      <Area
        label="Opening words"
        value={edit.opening_text}
        rows={2}
        longest={LONGEST_OPENING}
        placeholder="What it says first; empty: it waits for you."
        disabled={disabled}
        onInput={(opening_text) => onEdit({ opening_text })}
      />
      <OldVariable {...edit} />
    </>
  );
}

interface EditorProps extends PersonaProps {
  context: ContextDetail;
  isNew: boolean;
}

function Editor({ context, isNew, drafts, isSaving, usable, onCommand }: EditorProps) {
  const edit = drafts.editOf(context);
  const isEdited = drafts.isEdited(context);
  return (
    <div class="lv-editor">
      <PromptFields edit={edit} disabled={!usable} onEdit={(change) => drafts.edit(context, change)} />
      <div class="lv-line lv-wrap" aria-live="polite">
        <span class={isEdited ? "lv-unsaved" : "lv-help"}>
          {isEdited ? "Not saved yet" : isNew ? PASSING : "Saved in your account, for every session."}
        </span>
        <span class="lv-gap" />
        {isEdited ? (
          <>
            <button type="button" class="lv-button" disabled={isSaving} onClick={() => drafts.discard(context)}>
              Discard
            </button>
            <button
              type="button"
              class="lv-button lv-primary"
              disabled={!usable || isSaving || edit.prompt.trim() === ""}
              title={edit.prompt.trim() === "" ? "A context needs a prompt" : undefined}
              onClick={() => onCommand("update_context", { context_id: context.id, ...edit })}
            >
              {isSaving ? "Saving…" : "Save"}
            </button>
          </>
        ) : null}
      </div>
    </div>
  );
}

function Maker({ fresh, drafts, isMaking, usable, onCommand }: PersonaProps & { fresh: Fresh }) {
  const missing = fresh.name.trim() === "" ? "a name" : fresh.prompt.trim() === "" ? "a prompt" : "";
  const onEdit = (change: Partial<Fresh>): void => drafts.writeFresh({ ...fresh, ...change });
  return (
    <form
      class="lv-editor"
      aria-label="New context"
      onSubmit={(event) => {
        event.preventDefault();
        if (!missing && !isMaking) onCommand("new_context", { ...fresh, name: fresh.name.trim() });
      }}
    >
      <label class="lv-typed">
        <span>Name</span>
        <input
          type="text"
          value={fresh.name}
          maxLength={LONGEST_CONTEXT_NAME}
          placeholder="Sales guide"
          autocomplete="off"
          disabled={!usable}
          onInput={(event) => onEdit({ name: event.currentTarget.value })}
        />
      </label>
      <PromptFields edit={fresh} disabled={!usable} onEdit={onEdit} />
      <div class="lv-line lv-wrap">
        <span class="lv-help">{missing ? `It needs ${missing}.` : PASSING}</span>
        <span class="lv-gap" />
        <button type="button" class="lv-button" onClick={() => drafts.writeFresh(null)}>
          Cancel
        </button>
        <button type="submit" class="lv-button lv-primary" disabled={!usable || missing !== "" || isMaking}>
          {isMaking ? "Taking it…" : "Use it"}
        </button>
      </div>
    </form>
  );
}

function Context(props: PersonaProps) {
  const { settings, persona, context, drafts, usable, onCommand } = props;
  const id = useId();
  const [isOpen, setOpen] = useState(false);
  const { fresh } = drafts;
  const { contexts } = persona;
  const isNew = contexts.find((known) => known.id === settings.context_id)?.is_new ?? false;
  const isKnown = contexts.some((known) => known.id === settings.context_id);
  // the new context is picked: the form is done
  const isMade = fresh !== null && isNew && context?.name === fresh.name.trim() && context.prompt === fresh.prompt;
  useEffect(() => {
    if (isMade) drafts.writeFresh(null);
  }, [isMade]);
  const showsEditor = fresh === null && context !== null && (isOpen || drafts.isEdited(context));
  return (
    <div class="lv-row lv-row-wide">
      <label for={id}>Context</label>
      <div class="lv-line lv-wrap">
        <select
          id={id}
          class="lv-wide"
          value={settings.context_id}
          disabled={!usable || fresh !== null}
          onChange={(event) => onCommand("pick_context", { context_id: event.currentTarget.value })}
        >
          <option value="" selected={settings.context_id === ""}>
            {contexts.length > 0 ? "Pick one" : "None yet"}
          </option>
          {isKnown || settings.context_id === "" ? null : (
            <option value={settings.context_id} selected>
              {context?.name ?? settings.context_id}
            </option>
          )}
          {contexts.map((known) => (
            <option key={known.id} value={known.id} selected={known.id === settings.context_id}>
              {known.name}
              {known.is_new ? " (new, for the next session)" : ""}
            </option>
          ))}
        </select>
        <button
          type="button"
          class="lv-button lv-icon"
          aria-label="Edit the prompt"
          title={isOpen ? "Close the prompt" : "Read and edit the prompt"}
          aria-expanded={showsEditor}
          disabled={context === null || fresh !== null}
          onClick={() => setOpen(!isOpen)}
        >
          <Pencil size={14} aria-hidden="true" />
        </button>
        <button
          type="button"
          class="lv-button lv-icon"
          aria-label="New context"
          title="Make one for the next session"
          disabled={!usable || fresh !== null}
          onClick={() => drafts.writeFresh({ name: "", prompt: "", opening_text: "" })}
        >
          <Plus size={15} aria-hidden="true" />
        </button>
      </div>
      {fresh ? (
        <Maker {...props} fresh={fresh} />
      ) : (
        <div class="lv-help">
          {settings.context_id && context === null
            ? "Reading it…"
            : "What the avatar knows, and how it answers. Without one it never does."}
        </div>
      )}
      {showsEditor ? (
        <Editor {...props} context={context} isNew={isNew} />
      ) : fresh === null && context !== null ? (
        <OldVariable {...context} />
      ) : null}
    </div>
  );
}

function Variables({ settings, context, usable, onCommand }: PersonaProps) {
  if (!context || context.variables.length === 0) return null;
  const { dynamic_variables: given } = settings;
  return (
    <fieldset class="lv-row lv-row-wide lv-variables">
      <legend>Its variables</legend>
      <div class="lv-help">The prompt names them; each session fills them in.</div>
      {context.variables.map((name) => (
        <Typed
          key={`${context.id}/${name}`}
          label={`\${${name}}`}
          value={given[name] ?? ""}
          longest={LONGEST_VALUE}
          placeholder="Needed to start"
          disabled={!usable}
          invalid={!given[name]?.trim()}
          onCommit={(value) => {
            const all = context.variables.map((key) => [key, key === name ? value : (given[key] ?? "")]);
            onCommand("configure", { dynamic_variables: Object.fromEntries(all) });
          }}
        />
      ))}
    </fieldset>
  );
}

interface VoiceProps {
  name: string;
  words: string;
  group: string;
  isPicked: boolean;
  disabled: boolean;
  children?: ComponentChildren;
  onPick: () => void;
}

function VoiceRow({ name, words, group, isPicked, disabled, children, onPick }: VoiceProps) {
  return (
    <li class="lv-voice">
      <label>
        <input type="radio" name={group} checked={isPicked} disabled={disabled} onChange={onPick} />
        <span class="lv-cut">{name}</span>
        <span class="lv-mute lv-cut">{words}</span>
      </label>
      {children}
    </li>
  );
}

function PreviewButton({ voice, previews, disabled }: { voice: Voice; previews: Previews; disabled: boolean }) {
  const state = previews.voiceId === voice.id ? previews.state : "none";
  const Icon = { none: Volume2, loading: LoaderCircle, playing: Square }[state];
  return (
    <button
      type="button"
      class="lv-button lv-plain lv-small"
      aria-label={state === "none" ? `Hear ${voice.name}` : `Stop ${voice.name}`}
      title={state === "none" ? "Hear it" : "Stop"}
      disabled={disabled}
      onClick={() => (state === "none" ? previews.play(voice.id) : previews.stop())}
    >
      <Icon
        size={14}
        class={state === "loading" ? "lv-spin" : ""}
        fill={state === "playing" ? "currentColor" : "none"}
        aria-hidden="true"
      />
    </button>
  );
}

/** "en-US" as "English": the language's name if it is known. */
function languageWords(code: string, persona: Persona): string {
  const known = persona.languages.find((language) => language.code.toLowerCase() === code.toLowerCase());
  return known?.name ?? code;
}

function Voices({ settings, persona, previews, needsVoice, usable, onCommand }: PersonaProps) {
  const group = useId();
  const panel = useId();
  const [isOpen, setOpen] = useState(false);
  const [query, setQuery] = useState("");
  const [language, setLanguage] = useState("");
  useEffect(() => () => previews.stop(), []);
  const picked = persona.voices.find((voice) => voice.id === settings.voice_id);
  const languages = [...new Set(persona.voices.map((voice) => voice.language).filter(Boolean))].sort((code, other) =>
    languageWords(code, persona).localeCompare(languageWords(other, persona)),
  );
  const needle = fold(query.trim());
  const matching = persona.voices.filter(
    (voice) =>
      (language === "" || voice.language === language) &&
      (needle === "" ||
        fold(`${voice.name} ${voice.gender}`).includes(needle) ||
        voice.id.toLowerCase().includes(needle)),
  );
  const shown = matching.slice(0, SHOWN_VOICES);
  const onPick = (voice_id: string): void => onCommand("configure", { voice_id });
  const wordsOf = (voice: Voice): string =>
    [languageWords(voice.language, persona), voice.gender].filter(Boolean).join(", ");
  return (
    <div class="lv-row lv-row-wide">
      <div class="lv-line">
        <div class="lv-cut">
          Voice
          <div class={picked ? "lv-help lv-cut" : "lv-help lv-wraps"}>
            {picked
              ? `${picked.name}, ${wordsOf(picked)}`
              : settings.voice_id || (needsVoice ? "An image avatar has none of its own: pick one" : "The avatar's own")}
          </div>
        </div>
        <span class="lv-gap" />
        {picked ? <PreviewButton voice={picked} previews={previews} disabled={!usable} /> : null}
        <button
          type="button"
          class="lv-button"
          aria-expanded={isOpen}
          aria-controls={panel}
          onClick={() => setOpen(!isOpen)}
        >
          {isOpen ? "Done" : "Change"}
        </button>
      </div>
      {previews.problem ? (
        <Note tone="warning" title="That voice cannot be heard here." detail={previews.problem} />
      ) : null}
      <div id={panel} class="lv-voices" hidden={!isOpen}>
        {isOpen ? (
          <>
            <div class="lv-line lv-wrap">
              <div class="lv-search">
                <Search size={15} aria-hidden="true" />
                <input
                  type="search"
                  placeholder={`Search ${plural(persona.voices.length, "voice")}`}
                  aria-label={`Search ${plural(persona.voices.length, "voice")}`}
                  value={query}
                  spellcheck={false}
                  autocomplete="off"
                  onInput={(event) => setQuery(event.currentTarget.value)}
                />
              </div>
              <select
                aria-label="Language of the voices"
                value={language}
                onChange={(event) => setLanguage(event.currentTarget.value)}
              >
                <option value="">Any language</option>
                {languages.map((code) => (
                  <option key={code} value={code} selected={code === language}>
                    {languageWords(code, persona)}
                  </option>
                ))}
              </select>
            </div>
            <ul class="lv-voice-list" aria-label="Voices">
              {needsVoice ? null : (
                <VoiceRow
                  name="The avatar's own"
                  words=""
                  group={group}
                  isPicked={settings.voice_id === ""}
                  disabled={!usable}
                  onPick={() => onPick("")}
                />
              )}
              {shown.map((voice) => (
                <VoiceRow
                  key={voice.id}
                  name={voice.name}
                  words={wordsOf(voice)}
                  group={group}
                  isPicked={voice.id === settings.voice_id}
                  disabled={!usable}
                  onPick={() => onPick(voice.id)}
                >
                  <PreviewButton voice={voice} previews={previews} disabled={!usable} />
                </VoiceRow>
              ))}
            </ul>
            <p class="lv-help" role="status">
              {matching.length === 0
                ? "No voice matches."
                : matching.length > shown.length
                  ? `${shown.length} of ${matching.length} are shown: search to find the others.`
                  : plural(matching.length, "voice")}
            </p>
          </>
        ) : null}
      </div>
    </div>
  );
}

export function PersonaForm(props: PersonaProps) {
  const { settings, persona, usable, onCommand } = props;
  const isUnasked = persona.state === "none";
  useEffect(() => {
    if (isUnasked && usable) onCommand("persona", {});
  }, [isUnasked, usable]);
  if (persona.state === "failed") {
    return (
      <Note
        tone="error"
        title={persona.problem?.title ?? "Contexts and voices could not be loaded."}
        detail={persona.problem?.detail}
        remedy={persona.problem?.remedy}
        action={usable ? { label: "Reload", onClick: () => onCommand("persona", {}) } : undefined}
      />
    );
  }
  if (persona.state !== "ready") {
    return (
      <div class="lv-row lv-mute" role="status">
        {usable ? "Reading contexts and voices…" : "Contexts and voices are read by the kernel."}
      </div>
    );
  }
  const languages = Object.fromEntries(persona.languages.map(({ code, name }) => [code, name]));
  return (
    <>
      <Context {...props} />
      <Variables {...props} />
      <Voices {...props} />
      <Pick
        label="Language"
        hint="That it hears and speaks."
        value={settings.language}
        options={languages}
        disabled={!usable}
        onChange={(language) => onCommand("configure", { language })}
      />
      <div class="lv-row lv-row-wide">
        <div>Whose turn it is</div>
        <Choice
          label="Whose turn it is"
          options={TURNS}
          value={settings.interactivity_type}
          disabled={!usable}
          onChange={(interactivity_type) => onCommand("configure", { interactivity_type })}
        />
        <div class="lv-help">
          {settings.interactivity_type === "PUSH_TO_TALK"
            ? "It hears you only while you hold the button."
            : "It hears when you begin and end by itself."}
        </div>
      </div>
    </>
  );
}
