// Mounts a built widget on a model, a kernel and a Python that are fakes of the real ones' interfaces.
// Address: ?widget=picker|panel|studio|talk|view|wire &state=<fixture> &host=lab|plain &python=alive|silent|busy|deaf &theme=
// &media=real|fake &views=2 &wire=none|some|many &faces=yes|no
import { CONTEXTS, face, mouths, session, STEPS, TIMINGS, traits, WIRE } from "./fixtures.js";

const asked = new URLSearchParams(location.search);
const option = (name, fallback) => asked.get(name) ?? fallback;

class Signal {
  slots = new Set();
  connect(slot) {
    this.slots.add(slot);
    return true;
  }
  disconnect(slot) {
    return this.slots.delete(slot);
  }
  emit(value) {
    for (const slot of [...this.slots]) slot(this, value);
  }
}

/** As JupyterLab's KernelConnection: subshells start late, restarts dispose of comms. */
class FakeKernel {
  id = "kernel-1";
  clientId = "client-1";
  status = "idle";
  connectionStatus = "connected";
  isDisposed = false;
  supportsSubshells = true;
  info = Promise.resolve({});
  statusChanged = new Signal();
  connectionStatusChanged = new Signal();
  disposed = new Signal();
  comms = [];
  refusing = false;

  createComm(target) {
    if (this.refusing) throw new Error("Comms are disabled on this kernel connection");
    const kernel = this;
    const comm = {
      target,
      isDisposed: false,
      opened: false,
      closed: false,
      shell: "main",
      subshellStarted: new Promise((resolve) =>
        setTimeout(() => {
          comm.shell = "subshell";
          resolve();
        }, 30),
      ),
      open() {
        if (comm.shell !== "subshell") throw new Error("opened before its subshell ran");
        comm.opened = true;
      },
      send(data) {
        if (comm.isDisposed || !comm.opened) throw new Error("Cannot send");
        kernel.onControl(data);
      },
      close() {
        comm.closed = true;
        comm.dispose();
        comm.onClose?.({});
      },
      dispose() {
        comm.isDisposed = true;
      },
    };
    this.comms.push(comm);
    return comm;
  }

  setStatus(status) {
    this.status = status;
    if (["restarting", "autorestarting", "dead"].includes(status)) {
      for (const comm of this.comms) comm.dispose();
    }
    this.statusChanged.emit(status);
  }

  setConnection(status) {
    this.connectionStatus = status;
    this.connectionStatusChanged.emit(status);
  }

  dispose() {
    this.isDisposed = true;
    this.disposed.emit(undefined);
    this.setConnection("disconnected");
  }
}

class FakeModel {
  slots = [];
  constructor(state, manager) {
    this.state = state;
    this.widget_manager = manager;
  }
  get(name) {
    return this.state[name];
  }
  set() {
    throw new Error("the page must not set traits");
  }
  save_changes() {
    throw new Error("the page must not set traits");
  }
  on(event, slot, context) {
    this.slots.push({ event, slot, context });
  }
  off(event, slot, context) {
    this.slots = this.slots.filter(
      (one) =>
        (event != null && one.event !== event) ||
        (slot != null && one.slot !== slot) ||
        (context != null && one.context !== context),
    );
  }
  trigger(event, ...args) {
    for (const one of [...this.slots]) if (one.event === event) one.slot.apply(one.context, args);
  }
  send(content) {
    harness.python.ordinary(content);
  }
  /** What Python writes. */
  write(changes) {
    Object.assign(this.state, changes);
    for (const name of Object.keys(changes)) this.trigger(`change:${name}`, this, changes[name]);
  }
  /** As anywidget hands it to a view: listeners fall off with the view. */
  proxy(context) {
    return {
      get: this.get.bind(this),
      set: this.set.bind(this),
      save_changes: this.save_changes.bind(this),
      send: this.send.bind(this),
      on: (event, slot) => this.on(event, slot, context),
      off: (event, slot) => this.off(event, slot, context),
      widget_manager: this.widget_manager,
    };
  }
}

/**
 * alive: answers both ways. busy: ordinary messages wait until `release()`. silent: answers nothing.
 * deaf: hears the ordinary way only.
 */
class FakePython {
  commands = [];
  seen = new Set();
  queue = [];
  constructor(mode) {
    this.mode = mode;
  }
  control(command) {
    if (this.mode === "alive" || this.mode === "busy") this.handle(command, "control");
    else this.commands.push({ ...command, way: "control", heard: false });
  }
  ordinary(command) {
    if (this.mode === "alive" || this.mode === "deaf") this.handle(command, "ordinary");
    else if (this.mode === "busy") this.queue.push(command);
    else this.commands.push({ ...command, way: "ordinary", heard: false });
  }
  release() {
    for (const command of this.queue.splice(0)) this.handle(command, "ordinary");
  }
  handle(command, way) {
    this.commands.push({ ...command, way, heard: true });
    setTimeout(() => this.act(command), 5);
  }
  tell(message, buffers = [], widget = "w-1") {
    harness.models[widget].trigger("msg:custom", message, buffers);
  }
  /** What `join` is answered: { url, token, avatar_identity }, where that is another than in a hosted room, or { reason, can_take_over }; null: nothing. */
  room = option("media", "real") === "fake" ? { url: "ws://fake", token: "fake" } : (globalThis.roomAnswer ?? null);
  async answerRoom(widget, command, args) {
    if (command === "join" && this.room) {
      const nothing = { url: null, token: null, avatar_identity: "heygen", reason: null, can_take_over: false };
      this.tell({ type: "room", session_id: args.session_id, ...nothing, ...this.room }, [], widget);
    } else if (command === "library") {
      const bytes = await (await fetch(option("media", "real") === "fake" ? "/fakemedia.js" : "/static/media.js")).arrayBuffer();
      this.tell({ type: "library" }, [new DataView(bytes)], widget);
    } else if (command === "face") {
      const drawn = option("faces", "yes") === "yes" ? mouths().map((text) => new TextEncoder().encode(text)) : [];
      const buffers = drawn.map((bytes) => new DataView(bytes.buffer));
      this.tell({ type: "face", avatar_id: args.avatar_id, media_type: "image/svg+xml" }, buffers, widget);
    }
  }
  act({ id, widget, command, args }) {
    const { model } = harness;
    this.tell({ type: "ack", id }, [], widget);
    if (this.seen.has(id)) return;
    this.seen.add(id);
    if (["join", "library", "face"].includes(command)) {
      void this.answerRoom(widget, command, args);
    } else if (command === "pictures") {
      for (const avatarId of args.avatar_ids) this.sendPicture(avatarId);
    } else if (command === "pick") {
      const name = model.get("avatars").find((avatar) => avatar.id === args.avatar_id)?.name ?? "";
      model.write({ value: args.avatar_id, avatar: args.avatar_id, avatar_name: name });
    } else if (command === "configure") {
      model.write({ settings: { ...model.get("settings"), ...args } });
    } else if (command === "start" && option("acts", "yes") === "yes") {
      const steps = STEPS.map((step, index) => ({ ...step, done: index === 0 }));
      const avatar = { avatar_id: model.get("avatar"), avatar_name: model.get("avatar_name") };
      model.write({
        status: { ...session, ...avatar, state: "starting", steps, elapsed: 0, credits_used: null, running: false },
      });
    } else if (command === "stop" && option("acts", "yes") === "yes") {
      model.write({ status: { ...model.get("status"), state: "stopping" } });
    } else if (command === "dismiss") {
      model.write({ problem: null });
    } else if (["persona", "pick_context", "new_context", "update_context"].includes(command)) {
      this.cast(command, args);
    } else if (command === "voice") {
      this.tell({ type: "voice", voice_id: args.voice_id, media_type: "audio/wav" }, [new DataView(silence(1))]);
    } else if (command === "dismiss_talk") {
      model.write({ talk_problem: null });
    } else if (command === "wire") {
      this.sendWire(WIRE[option("wire", "some")].filter((row) => row.change > args.since));
    } else if (option("acts", "yes") === "yes") {
      this.speak(command, args);
    }
  }
  /** Contexts, as Python deals with them. */
  cast(command, args) {
    const { model } = harness;
    const settings = model.get("settings");
    const persona = model.get("persona");
    if (command === "persona") {
      model.write({ persona: { ...persona, state: "loading" } });
      setTimeout(() => model.write({ persona: traits("persona").persona }), 20);
    } else if (command === "pick_context") {
      model.write({ settings: { ...settings, context_id: args.context_id }, context: null });
      const context = CONTEXTS.find((one) => one.id === args.context_id) ?? null;
      setTimeout(() => model.write({ context }), 20);
    } else if (command === "new_context") {
      const made = { id: "new-1", variables: [], ...args };
      model.write({
        persona: { ...persona, contexts: [{ id: made.id, name: made.name, is_new: true }, ...persona.contexts] },
        settings: { ...settings, context_id: made.id },
        context: made,
      });
    } else if (option("acts", "yes") === "yes") {
      const { context_id, ...changes } = args;
      model.write({ context: { ...model.get("context"), ...changes } });
    }
  }
  sendWire(rows) {
    for (let first = 0; first < rows.length; first += 250) this.tell({ type: "wire", rows: rows.slice(first, first + 250) });
    const change = Math.max(0, ...rows.map((row) => row.change));
    this.tell({ type: "wire_state", change, timings: rows.length ? TIMINGS : [], dropped: option("wire", "some") === "many" ? 2100 : 0 });
  }
  speak(command, args) {
    const { model } = harness;
    const speech = model.get("speech");
    const isActive = (one) => ["queued", "sending", "talking"].includes(one.state);
    const add = (changes) => {
      const state = speech.some(isActive) ? "queued" : "talking";
      const made = { id: `u-${100 + speech.length}`, sound: null, text: null, state, total: null, played: 0, notes: [], problem: null, ...changes };
      model.write({ speech: [...speech, made], status: { ...model.get("status"), agent_state: "talking" } });
    };
    if (command === "play") {
      const sound = model.get("sounds").find((one) => one.id === args.sound);
      add({ sound: sound.id, name: sound.name, total: sound.seconds });
    } else if (command === "say") {
      add({ name: "say", text: args.text });
    } else if (command === "ask") {
      model.write({
        transcript: [...model.get("transcript"), { role: "user", text: args.text, partial: false }],
        status: { ...model.get("status"), agent_state: "thinking" },
      });
    } else if (command === "interrupt") {
      model.write({
        speech: speech.map((one) => (isActive(one) ? { ...one, state: "interrupted" } : one)),
        status: { ...model.get("status"), agent_state: "idle", caption: null },
      });
    } else if (command === "listen" || command === "stop_listening") {
      model.write({ status: { ...model.get("status"), agent_state: command === "listen" ? "listening" : "idle" } });
    } else if (command === "add_sound" && args.part === args.parts - 1) {
      model.write({ sounds: [...model.get("sounds"), { id: args.upload, name: args.name, origin: "dropped", seconds: 3 }] });
      this.tell({ type: "upload", upload: args.upload });
    } else if (command === "remove_sound") {
      model.write({ sounds: model.get("sounds").filter((one) => one.id !== args.sound) });
    } else if (command === "save_wire") {
      this.tell({ type: "wire_saved", path: `/home/me/talks/wire-20261124-180000.${args.form}` });
    }
  }
  sendPicture(avatarId) {
    const index = harness.model.get("avatars").findIndex((avatar) => avatar.id === avatarId);
    const bytes = new TextEncoder().encode(face(Math.max(0, index)));
    const message = { type: "picture", avatar_id: avatarId, media_type: "image/svg+xml" };
    this.tell(message, [new DataView(bytes.buffer)]);
  }
}

/** So many seconds of nothing, as a WAV file of 8 kHz. */
function silence(seconds) {
  const size = 8000 * seconds;
  const view = new DataView(new ArrayBuffer(44 + size));
  const text = (at, letters) => [...letters].forEach((letter, index) => view.setUint8(at + index, letter.charCodeAt(0)));
  text(0, "RIFF");
  view.setUint32(4, 36 + size, true);
  text(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true);
  view.setUint16(22, 1, true);
  view.setUint32(24, 8000, true);
  view.setUint32(28, 8000, true);
  view.setUint16(32, 1, true);
  view.setUint16(34, 8, true);
  text(36, "data");
  view.setUint32(40, size, true);
  for (let at = 44; at < 44 + size; at += 1) view.setUint8(at, 128);
  return view.buffer;
}

const kernel = option("host", "lab") === "lab" ? new FakeKernel() : null;
const python = new FakePython(option("python", "alive"));
if (kernel) {
  kernel.onControl = (data) => python.control(data);
  kernel.refusing = option("comms", "yes") === "no";
}

function dress(theme) {
  const { body } = document;
  if (option("as", "lab") === "lab") {
    const dark = theme === "dark";
    body.dataset.jpThemeLight = String(!dark);
    // JupyterLab styles every button in its outputs.
    body.classList.add("jp-ThemedContainer");
    const sheet = document.createElement("style");
    sheet.textContent = ".jp-ThemedContainer button { border-radius: 2px; }";
    document.head.append(sheet);
    // JupyterLab 4.6's own values of its two themes.
    const values = dark
      ? { "--jp-layout-color1": "#212121", "--jp-content-font-color0": "rgba(255,255,255,1)" }
      : { "--jp-layout-color1": "white", "--jp-content-font-color0": "rgba(0,0,0,1)" };
    for (const [name, value] of Object.entries(values)) body.style.setProperty(name, value);
    body.style.background = values["--jp-layout-color1"];
  } else {
    body.style.background = theme === "dark" ? "#111418" : "#fff";
  }
}

const harness = { kernel, python, models: {}, views: [], ready: false };
globalThis.harness = harness;

if (option("saved", "no") === "yes") {
  const script = document.createElement("script");
  script.type = "application/vnd.jupyter.widget-state+json";
  document.head.append(script);
}
dress(option("theme", "light"));

const text = async (name) => (await fetch(`/static/${name}`)).text();
const loader = await text("loader.js");
const frontEnd = new FakeModel({ code: await text("widgets.js"), style: await text("widgets.css") }, {});
// What a widget refers to; a test may take the front end away, or add another.
harness.shelf = { "front-end": frontEnd };
const manager = {
  ...(kernel ? { kernel } : {}),
  async get_model(id) {
    const found = harness.shelf[id];
    if (!found) throw new Error("widget model not found");
    return found;
  },
};

// Each model has its own instance of the loader in a real host.
const load = async () => {
  const address = URL.createObjectURL(new Blob([loader], { type: "text/javascript" }));
  return (await import(address)).default;
};

async function mount(name, state) {
  const definition = await load();
  const model = new FakeModel({ _component: name, _front_end: "IPY_MODEL_front-end", ...state }, manager);
  harness.model ??= model;
  harness.models[state.widget_id] = model;
  const life = new AbortController();
  await definition.initialize({ model: model.proxy("initialize"), signal: life.signal });
  return { definition, model, life };
}

async function show(made) {
  const el = document.createElement("div");
  el.className = "view";
  document.querySelector("main").append(el);
  const life = new AbortController();
  const context = {};
  const model = made.model.proxy(context);
  const cleanup = await made.definition.render({ model, el, signal: life.signal });
  const view = {
    el,
    remove() {
      life.abort();
      cleanup?.();
      made.model.off(null, null, context);
      el.remove();
    },
  };
  harness.views.push(view);
  return view;
}

const made = await mount(option("widget", "studio"), traits(option("state", "pick")));
harness.made = made;
harness.show = () => show(made);
harness.another = async (name, state, more = {}) => {
  const other = await mount(name, { ...traits(state), widget_id: "w-2", ...more });
  return { ...(await show(other)), model: other.model };
};
for (let count = Number(option("views", "1")); count > 0; count -= 1) await show(made);
harness.ready = true;
// Who waits for this by looking into the page would count as a person's click on it.
console.debug("harness ready");
