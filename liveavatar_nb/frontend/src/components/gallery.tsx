/** A searchable gallery of avatars: a list box in which arrows move and Enter picks. */
import { RotateCcw, Search } from "lucide-preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type { Avatar, Catalogue } from "../contract";
import { fold, isPickable } from "../words";
import { Card } from "./card";
import { Choice } from "./choice";
import type { PictureSource } from "./face";
import { Note } from "./note";

type Scope = "all" | "mine" | "public";

const SCOPES = [
  { value: "all", label: "All" },
  { value: "mine", label: "Mine" },
  { value: "public", label: "Public" },
] as const;

const SKELETONS = 9;
/** So few cards need no scrolling frame where the page is narrow. */
const FEW = 3;
/** Pictures are asked for this far ahead of what is in sight. */
const AHEAD = "240px";

interface Props {
  avatars: readonly Avatar[];
  catalogue: Catalogue;
  value: string;
  /** Only avatars that the sandbox takes. */
  sandbox: boolean;
  /** False where no kernel would hear a click. */
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

/** Cards that are in sight, or nearly: those whose pictures are wanted. Once wanted, always wanted. */
function useSeen(list: { current: HTMLElement | null }, shown: readonly Avatar[]): ReadonlySet<string> {
  const [seen, setSeen] = useState<ReadonlySet<string>>(new Set());
  useEffect(() => {
    const root = list.current;
    if (!root) return undefined;
    const observer = new IntersectionObserver(
      (entries) => {
        const ids = entries
          .filter((entry) => entry.isIntersecting)
          .map((entry) => (entry.target as HTMLElement).dataset["avatar"] ?? "");
        if (ids.length) setSeen((before) => new Set([...before, ...ids]));
      },
      { root, rootMargin: AHEAD },
    );
    for (const card of root.querySelectorAll('[role="option"]')) observer.observe(card);
    return () => observer.disconnect();
  }, [shown]);
  return seen;
}

export function Gallery(props: Props) {
  const { avatars, catalogue, value, sandbox, usable, pictures, onPick, onSandbox, onReload } = props;
  const [query, setQuery] = useState("");
  const [scope, setScope] = useState<Scope>("all");
  const [active, setActive] = useState("");
  const list = useRef<HTMLDivElement>(null);
  const shown = useMemo(() => matching(avatars, query, scope, sandbox), [avatars, query, scope, sandbox]);
  const seen = useSeen(list, shown);
  const loading = catalogue.state === "loading" && avatars.length === 0;
  const failed = catalogue.state === "failed";

  const ids = new Set(shown.map((avatar) => avatar.id));
  // The one card that Tab reaches: where the arrows left off, else the picked one, else the first.
  const tabbable = ids.has(active) ? active : ids.has(value) ? value : (shown[0]?.id ?? "");

  useEffect(() => {
    // Within the list only: scrollIntoView would move the notebook as well.
    const box = list.current;
    const card = box?.querySelector<HTMLElement>('[aria-selected="true"]');
    if (!box || !card) return;
    const { top, bottom } = card.getBoundingClientRect();
    const frame = box.getBoundingClientRect();
    if (top < frame.top || bottom > frame.bottom) box.scrollTop += top - frame.top - 8;
  }, [value, loading]);

  const pick = (avatar: Avatar | undefined): void => {
    if (avatar && usable && isPickable(avatar) && avatar.id !== value) onPick(avatar.id);
  };

  const onKeyDown = (event: KeyboardEvent): void => {
    const cards = Array.from(list.current?.querySelectorAll<HTMLElement>('[role="option"]') ?? []);
    const at = shown.findIndex((avatar) => avatar.id === tabbable);
    const top = cards[0]?.offsetTop;
    const below = cards.findIndex((card) => card.offsetTop !== top);
    const columns = below === -1 ? cards.length : below;
    const moves: Record<string, number> = {
      ArrowRight: at + 1,
      ArrowLeft: at - 1,
      ArrowDown: at + columns,
      ArrowUp: at - columns,
      Home: 0,
      End: shown.length - 1,
    };
    const to = moves[event.key];
    if (event.key === "Enter" || event.key === " ") pick(shown[at]);
    else if (to === undefined) return;
    else if (shown[to]) {
      setActive(shown[to].id);
      cards[to]?.focus();
    }
    event.preventDefault();
  };

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
        <label class="lv-tick" title="The sandbox is free, lasts one minute and takes only its own avatar">
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
          {Array.from({ length: SKELETONS }, (_, index) => (
            <span key={index} class="lv-card lv-skeleton">
              <span class="lv-face" />
              <span class="lv-name" />
            </span>
          ))}
        </div>
      ) : shown.length > 0 ? (
        <div
          ref={list}
          class={`lv-cards${shown.length <= FEW ? " lv-few" : ""}`}
          role="listbox"
          aria-label="Avatars"
          aria-disabled={usable ? undefined : true}
          onKeyDown={onKeyDown}
        >
          {shown.map((avatar) => (
            <Card
              key={avatar.id}
              avatar={avatar}
              picked={avatar.id === value}
              tabbable={avatar.id === tabbable}
              usable={usable}
              wanted={seen.has(avatar.id)}
              address={pictures.get(avatar.id)}
              pictures={pictures}
              onClick={(clicked) => {
                setActive(clicked.id);
                pick(clicked);
              }}
            />
          ))}
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
