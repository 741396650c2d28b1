/**
 * The `_esm` of each widget: fetches the front end once for a page, and hands the widget over to it.
 *
 * The front end's script and style sheet are the traits of one model that all widgets of a kernel refer to
 * (`widgets/front_end.py`), so they reach a page once, unasked, ahead of the widgets, and are saved with them. The page
 * imports each different script once, whichever kernel or widget it came with.
 */
import type { AnyModel, Initialize, InitializeProps, Render } from "@anywidget/types";
import { shared } from "./shared";

interface FrontEnd {
  initialize: Initialize;
  render: Render;
}

/** A model whose front end was asked for. */
interface Begun {
  props: InitializeProps;
  frontEnd: Promise<FrontEnd>;
}

/** How long to wait for the model of the front end, and the interval between two looks, in milliseconds. */
const MODEL_LIMIT_MS = 10_000;
const LOOK_MS = 100;
/** anywidget passes no message on to a widget that was not initialized within 2 s; the view waits longer. */
const INITIALIZE_LIMIT_MS = 1500;
const REFERENCE = "IPY_MODEL_";

/** By their texts, so that no version gets another's. */
const imported = shared("frontEnds", () => new Map<string, Promise<FrontEnd>>());
const begun = new Map<string, Begun>();

const sleep = (delayMs: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, delayMs));

async function importText(code: string): Promise<FrontEnd> {
  const url = URL.createObjectURL(new Blob([code], { type: "text/javascript" }));
  try {
    return ((await import(/* @vite-ignore */ url)) as { default: FrontEnd }).default;
  } finally {
    URL.revokeObjectURL(url);
  }
}

/** Imports a script and adds its style sheet, unless the page has them already. */
function importOnce(code: string, style: string): Promise<FrontEnd> {
  const key = style + code;
  const known = imported.get(key);
  if (known) return known;
  const sheet = Object.assign(document.createElement("style"), { textContent: style });
  document.head.append(sheet);
  const frontEnd = importText(code).catch((error: unknown) => {
    imported.delete(key);
    sheet.remove();
    throw error;
  });
  imported.set(key, frontEnd);
  return frontEnd;
}

/** Waits for the model of the front end, which may come after a widget's in a page that was reloaded. */
async function findModel(model: AnyModel): Promise<AnyModel> {
  const id = (model.get("_front_end") as string).slice(REFERENCE.length);
  const look = async (): Promise<AnyModel> => model.widget_manager.get_model(id);
  const end = performance.now() + MODEL_LIMIT_MS;
  do {
    const found = await Promise.race([look().catch(() => null), sleep(end - performance.now())]);
    if (found) return found;
    await sleep(LOOK_MS);
  } while (performance.now() < end);
  throw new Error("the notebook does not have it");
}

async function load(model: AnyModel): Promise<FrontEnd> {
  const found = await findModel(model);
  return importOnce(found.get("code") as string, found.get("style") as string);
}

function begin(props: InitializeProps): Begun {
  const { model, signal } = props;
  const frontEnd = load(model).then(async (loaded) => {
    if (!signal?.aborted) await loaded.initialize(props);
    return loaded;
  });
  const made = { props, frontEnd };
  begun.set(model.get("widget_id") as string, made);
  return made;
}

/** Shows that the front end did not come, until the button is pressed. */
function shown(el: HTMLElement, error: unknown): Promise<void> {
  console.error("[liveavatar_nb] the front end did not load:", error);
  const line = document.createElement("div");
  line.setAttribute("role", "alert");
  line.style.cssText = "font: 13px system-ui, sans-serif; padding: 8px 0; display: flex; gap: 8px; align-items: baseline;";
  const reason = error instanceof Error ? error.message : String(error);
  line.append(`LiveAvatar's front end did not load: ${reason}. Try again, or run the cell again.`);
  const button = Object.assign(document.createElement("button"), { type: "button", textContent: "Try again" });
  line.append(button);
  el.replaceChildren(line);
  return new Promise((resolve) => {
    button.addEventListener("click", () => {
      el.replaceChildren();
      resolve();
    });
  });
}

const initialize: Initialize = async (props) => {
  const { frontEnd } = begin(props);
  props.signal?.addEventListener("abort", () => begun.delete(props.model.get("widget_id") as string));
  await Promise.race([frontEnd.catch(() => undefined), sleep(INITIALIZE_LIMIT_MS)]);
};

const render: Render = async (props) => {
  const id = props.model.get("widget_id") as string;
  for (;;) {
    const asked = begun.get(id) ?? begin(props);
    let frontEnd: FrontEnd;
    try {
      frontEnd = await asked.frontEnd;
    } catch (error) {
      await shown(props.el, error);
      // another view's button may have been first
      if (begun.get(id) === asked) begin(asked.props);
      continue;
    }
    return frontEnd.render(props);
  }
};

export default { initialize, render };
