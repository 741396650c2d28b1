/** A searchable gallery of avatars: a list box with arrow keys to move and Enter to pick. */
import { RotateCcw, Search } from "lucide-preact";
import { useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import type { Avatar, Catalogue } from "../contract";
import { fold, isPickable, sandboxLife } from "../words";
import { Card } from "./card";
import { Choice } from "./choice";
import type { PictureSource } from "./face";
import { useGrid } from "./grid";
import { Note } from "./note";

type Scope = "all" | "mine" | "public";

const SCOPES = [
  { value: "all", label: "All" },
  { value: "mine", label: "Mine" },
  { value: "public", label: "Public" },
] as const;

const SKELETONS = 9;
/** On a narrow page, up to this many cards need no scrolling frame. */
const FEW = 3;

interface Props {
  avatars: readonly Avatar[];
  catalogue: Catalogue;
  value: string;
  /** Whether to show only avatars of the sandbox. */
  sandbox: boolean;
  /** False if no kernel would receive a click. */
  usable: boolean;
  pictures: PictureSource;
  onPick: (avatarId: string) => void;
  onSandbox: (sandbox: boolean) => void;
  onReload: () => void;
}

function matching(avatars: readonly Avatar[], query: string, scope: Scope, sandbox: boolean): Avatar[] {
  const needle = fold(query.trim());
  return avatars.filter(
    (avatar) =>
      (scope === "all" || avatar.mine === (scope === "mine")) &&
      (!sandbox || avatar.sandbox) &&
      (needle === "" || fold(avatar.name).includes(needle) || avatar.id.toLowerCase().includes(needle)),
  );
}

export function Gallery(props: Props) {
  const { avatars, catalogue, value, sandbox, usable, pictures, onPick, onSandbox, onReload } = props;
  const [query, setQuery] = useState("");
  const [scope, setScope] = useState<Scope>("all");
  const [active, setActive] = useState("");
  const list = useRef<HTMLDivElement>(null);
  const shown = useMemo(() => matching(avatars, query, scope, sandbox), [avatars, query, scope, sandbox]);
  const grid = useGrid(list, shown.length);
  const loading = catalogue.state === "loading" && avatars.length === 0;
  const failed = catalogue.state === "failed";

  // the card that Tab reaches: the last one moved to, or else the picked one, or else the first
  const indexOf = (id: string): number => shown.findIndex((avatar) => avatar.id === id);
  const at = [indexOf(active), indexOf(value), 0].find((index) => index !== -1) ?? 0;

  useLayoutEffect(() => {
    if (grid.height > 0) grid.reveal(0);
  }, [query, scope, sandbox]);
  useLayoutEffect(() => {
    const index = indexOf(value);
    if (grid.height > 0 && index !== -1) grid.reveal(index);
  }, [value, grid.height > 0]);
  useLayoutEffect(() => {
    const card = list.current?.querySelector<HTMLElement>('[role="option"][tabindex="0"]');
    if (active !== "" && !card?.matches(":focus")) card?.focus();
  }, [active]);

  const pick = (avatar: Avatar | undefined): void => {
    if (avatar && usable && isPickable(avatar) && avatar.id !== value) onPick(avatar.id);
  };

  const onKeyDown = (event: KeyboardEvent): void => {
    const moves: Record<string, number> = {
      ArrowRight: at + 1,
      ArrowLeft: at - 1,
      ArrowDown: at + grid.columns,
      ArrowUp: at - grid.columns,
      Home: 0,
      End: shown.length - 1,
    };
    const to = moves[event.key];
    if (event.key === "Enter" || event.key === " ") pick(shown[at]);
    else if (to === undefined) return;
    else if (shown[to]) setActive(shown[to].id);
    event.preventDefault();
  };

  // The card that Tab reaches is always rendered: the focus must not vanish, and one card has to be measured.
  const drawn = shown.flatMap((avatar, index) => {
    const row = Math.floor(index / grid.columns);
    return index === at || (row >= grid.first && row < grid.end) ? [{ avatar, index, row }] : [];
  });
  const total = avatars.length.toLocaleString("en");
  const filtered = query.trim() !== "" || scope !== "all" || sandbox;
  return (
    <div class="lv-gallery">
      <div class="lv-search">
        <Search size={16} aria-hidden="true" />
        <input
          type="search"
          placeholder={avatars.length ? `Search ${total} avatars` : "Search avatars"}
          aria-label={`Search ${total} avatars by name or id`}
          value={query}
          spellcheck={false}
          autocomplete="off"
          onInput={(event) => setQuery(event.currentTarget.value)}
          onKeyDown={(event) => {
            if (event.key === "Escape") setQuery("");
          }}
        />
        <span class="lv-count" role="status">
          {avatars.length === 0 ? "" : filtered ? `${shown.length.toLocaleString("en")} of ${total}` : total}
        </span>
      </div>
      <div class="lv-filters">
        <Choice label="Whose avatars" options={SCOPES} value={scope} onChange={setScope} />
        <label class="lv-tick" title={`The sandbox is free, lasts ${sandboxLife} and takes only its own avatar`}>
          <input
            type="checkbox"
            checked={sandbox}
            disabled={!usable}
            onChange={(event) => {
              const on = event.currentTarget.checked;
              onSandbox(on);
              if (!on) return;
              setQuery("");
              setScope("all");
              pick(avatars.find((avatar) => avatar.sandbox && isPickable(avatar)));
            }}
          />
          Sandbox
        </label>
      </div>
      {failed ? (
        <Note
          tone="error"
          title={catalogue.problem?.title ?? "The avatars could not be loaded."}
          detail={catalogue.problem?.detail ?? ""}
          remedy={catalogue.problem?.remedy ?? ""}
          action={usable ? { label: "Reload", onClick: onReload } : undefined}
        />
      ) : null}
      {loading && usable ? (
        <div class="lv-cards" aria-busy="true" aria-label="Loading avatars" role="status">
          <div class="lv-sheet">
            {Array.from({ length: SKELETONS }, (_, index) => (
              <span key={index} class="lv-card lv-skeleton">
                <span class="lv-face" />
                <span class="lv-name" />
              </span>
            ))}
          </div>
        </div>
      ) : shown.length > 0 ? (
        <div
          ref={list}
          class={`lv-cards${shown.length <= FEW ? " lv-few" : ""}`}
          role="listbox"
          aria-label="Avatars"
          aria-disabled={usable ? undefined : true}
          onKeyDown={onKeyDown}
          onScroll={grid.onScroll}
        >
          <div role="presentation" class="lv-sheet" style={grid.style}>
            {drawn.map(({ avatar, index, row }) => (
              <Card
                key={avatar.id}
                avatar={avatar}
                picked={avatar.id === value}
                tabbable={index === at}
                usable={usable}
                index={index}
                total={shown.length}
                row={grid.height > 0 ? row + 1 : undefined}
                column={grid.height > 0 ? (index % grid.columns) + 1 : undefined}
                address={pictures.get(avatar.id)}
                pictures={pictures}
                onClick={(clicked) => {
                  setActive(clicked.id);
                  pick(clicked);
                }}
              />
            ))}
          </div>
        </div>
      ) : failed ? null : (
        <div class="lv-empty">
          <p>{noneWords(avatars.length, query, scope, sandbox)}</p>
          {filtered && avatars.length > 0 ? (
            <button
              type="button"
              class="lv-button"
              onClick={() => {
                setQuery("");
                setScope("all");
                if (sandbox) onSandbox(false);
              }}
            >
              <RotateCcw size={14} aria-hidden="true" />
              Show all {total}
            </button>
          ) : null}
        </div>
      )}
    </div>
  );
}

function noneWords(total: number, query: string, scope: Scope, sandbox: boolean): string {
  if (total === 0) return "There are no avatars to show.";
  if (query.trim()) return `No avatar here is called “${query.trim()}”.`;
  if (sandbox) return "This list has no avatar for the sandbox.";
  return scope === "mine" ? "This account has no avatar of its own yet." : "There are no public avatars.";
}
