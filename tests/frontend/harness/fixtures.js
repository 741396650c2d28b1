// Traits by name: every state that there can be.

const FACES = [
  ["Silas", "#e8b592", "#2d2320", "#3b4cca", "#dfe6ff"],
  ["Ann", "#f2c9ac", "#7a3b1d", "#0f766e", "#d9f2ee"],
  ["June", "#c98f6b", "#1d1a1a", "#be185d", "#fde3ef"],
  ["Wayne", "#f0c4a0", "#b88a4a", "#334155", "#e3e8ef"],
  ["Dexter", "#8d5b3f", "#15110f", "#0369a1", "#dbeefb"],
  ["Marianne", "#f4d3bb", "#5b2b16", "#7c3aed", "#ece4fd"],
  ["Rika", "#efc3a0", "#0e0e12", "#b45309", "#fdecd3"],
  ["Bryan", "#e0a880", "#3f2a1e", "#166534", "#dcf3e2"],
  ["Thaddeus", "#b67c58", "#2b2b2b", "#475569", "#e6eaf0"],
  ["José", "#d9a679", "#201a17", "#9f1239", "#fde4e4"],
  ["Zoë", "#f1cbb0", "#8a4b2a", "#0e7490", "#d8f1f6"],
  ["Old campaign", "#e0b08c", "#444444", "#57534e", "#eeecea"],
];

export function face(index) {
  const [, skin, hair, top, ground] = FACES[index % FACES.length];
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 480"><rect width="640" height="480" fill="${ground}"/>
<g transform="translate(80,0) scale(4)"><path d="M10 120c0-30 22-42 50-42s50 12 50 42z" fill="${top}"/>
<rect x="50" y="66" width="20" height="22" rx="9" fill="${skin}"/><path d="M32 50c0-24 11-38 28-38s28 14 28 38v6H32z" fill="${hair}"/>
<ellipse cx="60" cy="50" rx="23" ry="28" fill="${skin}"/><path d="M37 42c6-14 38-18 46 0-4-22-14-26-23-26s-20 4-23 26z" fill="${hair}"/>
<circle cx="51" cy="49" r="2.6" fill="#222"/><circle cx="69" cy="49" r="2.6" fill="#222"/><ellipse cx="60" cy="64" rx="7" ry="2" fill="#7c2d33"/></g></svg>`;
}

/** The first face with its mouth from closed to wide open, then its eyes closed. */
export function mouths() {
  const whole = face(0).replace("<svg ", '<svg width="1280" height="720" preserveAspectRatio="xMidYMid slice" ');
  const mouth = '<ellipse cx="60" cy="64" rx="7" ry="2" fill="#7c2d33"/>';
  const opened = [2, 4, 6, 8, 10].map((ry) => whole.replace(mouth, `<ellipse cx="60" cy="64" rx="7" ry="${ry}" fill="#7c2d33"/>`));
  return [...opened, whole.replaceAll(/<circle[^>]*>/g, "")];
}

function avatar(index, changes = {}) {
  return {
    id: `a0000000-0000-4000-8000-${String(index).padStart(12, "0")}`,
    name: FACES[index % FACES.length][0],
    type: "VIDEO",
    status: "ACTIVE",
    mine: false,
    sandbox: false,
    is_expired: false,
    picture: { bytes: true },
    error_message: null,
    ...changes,
  };
}

const AVATARS = FACES.map((_, index) => avatar(index));
Object.assign(AVATARS[2], { mine: true });
Object.assign(AVATARS[3], { sandbox: true, id: "dd73ea75-1218-4ef3-92ce-606d5f7fbc0a" });
Object.assign(AVATARS[5], { picture: null, name: "Marianne Oberholzer-Whitfield" });
Object.assign(AVATARS[8], { status: "DEPLOYING", mine: true });
Object.assign(AVATARS[9], { status: "FAILED", mine: true, error_message: "the footage was too short" });
Object.assign(AVATARS[11], { is_expired: true });

const THOUSAND = Array.from({ length: 1000 }, (_, index) =>
  avatar(index, { name: `${FACES[index % FACES.length][0]} ${index + 1}` }),
);

const CODE = `from liveavatar_nb import LiveAvatar

la = LiveAvatar.demo()
with la.start("Silas", max_minutes=10) as session:
    session.wait_until_ended()
`;

const SOUNDS = [
  { id: "s-1", name: "welcome.wav", origin: "given", seconds: 14.2 },
  { id: "s-2", name: "pricing.mp3", origin: "folder", seconds: 41.3 },
  { id: "s-3", name: "goodbye.wav", origin: "folder", seconds: 5.8 },
  { id: "tone", name: "Test tone", origin: "tone", seconds: 2 },
];
const DROPPED = { id: "s-4", name: "a very long name of a recording, take 12 (final).wav", origin: "dropped", seconds: 312 };
const MANY = Array.from({ length: 50 }, (_, index) => ({
  id: `f-${index}`,
  name: `take ${index + 1}.wav`,
  origin: "folder",
  seconds: 3 + index,
}));

function utterance(changes) {
  return {
    id: "u-1", sound: null, name: "array", text: null, state: "talking", total: null, played: 0, notes: [], problem: null,
    ...changes,
  };
}
const WELCOME = utterance({ sound: "s-1", name: "welcome.wav", total: 14.2, played: 8.6 });
const PRICING = utterance({ id: "u-2", sound: "s-2", name: "pricing.mp3", state: "queued", total: 41.3 });
const TOUR = utterance({
  id: "u-3", name: "say", text: "A live tour. I speak, you interrupt me whenever you like.", total: 4.4, played: 1.2,
});
const LINES = [
  { role: "avatar", text: "Welcome! This is what an avatar of yours can do.", partial: false },
  { role: "user", text: "Start with pricing.", partial: false },
  { role: "avatar", text: "A live tour. I speak, you interrupt me whenever you like.", partial: false },
];

/** What a session can be told: LITE without a `tts`, a conversation, one with push to talk. */
const LITE = {
  play: true, say: false, ask: false, interrupt: true, listen: true, push_to_talk: false, microphone: false,
};
const FULL = { ...LITE, play: false, say: true, ask: true, microphone: true };

const base = {
  widget_id: "w-1",
  sounds: SOUNDS,
  sound_limits: { endings: [".wav", ".mp3", ".ogg", ".flac", ".m4a"], bytes: 50 * 2 ** 20, part: 384 * 1024 },
  speech: [],
  transcript: [],
  can_say: false,
  talk_problem: null,
  still: { avatar_id: AVATARS[0].id, name: AVATARS[0].name, picture: { bytes: true } },
  view_problem: null,
  saved: null,
  avatars: AVATARS,
  catalogue: { state: "ready", problem: null },
  value: AVATARS[0].id,
  avatar: AVATARS[0].id,
  avatar_name: "Silas",
  simulated: true,
  service: "Simulator",
  status: null,
  credits: "99.87",
  credits_problem: null,
  settings: {
    mode: "LITE",
    is_sandbox: false,
    video_quality: "high",
    video_encoding: "H264",
    max_minutes: 10,
    context_id: "",
    voice_id: "",
    language: "en",
    interactivity_type: "CONVERSATIONAL",
    dynamic_variables: {},
  },
  persona: { state: "none", problem: null, contexts: [], voices: [], languages: [] },
  context: null,
  problem: null,
  orphans: [],
  elsewhere: [],
  hearing: "prompt",
  code: CODE,
};

export const STEPS = [
  { name: "token", words: "token", done: true },
  { name: "start", words: "started, billing", done: true },
  { name: "avatar", words: "avatar", done: false },
];

export const session = {
  id: "5e550000-0000-4000-8000-000000000001",
  avatar_id: AVATARS[0].id,
  avatar_name: "Silas",
  mode: "LITE",
  is_sandbox: false,
  state: "connected",
  steps: STEPS.map((step) => ({ ...step, done: true })),
  elapsed: 134,
  running: true,
  max_seconds: 600,
  cap_at: 1_800_000_000,
  credits_used: 2.3,
  keep_alive_age: 12,
  degraded: false,
  beat_every: 10,
  unwatched_left: null,
  agent_state: null,
  caption: null,
  end_words: null,
  confirmed: false,
  room: null,
  can: LITE,
  user_speaking: false,
};

const ELSEWHERE = {
  id: "5e550000-0000-4000-8000-000000000011",
  avatar_name: "Silas",
  minutes: 2.5,
  is_watched: false,
  left: 28,
};

const ORPHAN = {
  id: "5e550000-0000-4000-8000-000000000009",
  minutes: 4.2,
};
const over = { running: false, keep_alive_age: null, confirmed: true };
const converses = {
  ...session, mode: "FULL", credits_used: 4.6, agent_state: "listening", can: FULL,
};
const CHAT = [
  { role: "user", text: "What can you show me in two minutes?", partial: false },
  { role: "avatar", text: "A live tour. I speak, you interrupt me whenever you like.", partial: false },
  { role: "user", text: "Start with pricing.", partial: false },
  { role: "avatar", text: "A conversation costs two credits a minute, so ten minutes are twenty.", partial: false },
];
export const CONTEXTS = [
  {
    id: "c0000000-0000-4000-8000-000000000001",
    name: "Sales guide",
    prompt: "You are a friendly guide who shows what a talking avatar can do.\nAnswer in two sentences at most.",
    opening_text: "Hello! What would you like to see?",
    variables: [],
  },
  {
    id: "c0000000-0000-4000-8000-000000000002",
    name: "Onboarding of a customer",
    prompt: "You welcome ${customer} of ${company} and answer what is asked about the product.",
    opening_text: "Hello ${customer}!",
    variables: ["customer", "company"],
  },
];
const TONGUES = [["en", "English"], ["de", "German"], ["fr", "French"], ["pt-BR", "Portuguese (Brazil)"]];
const PERSONA = {
  state: "ready",
  problem: null,
  contexts: CONTEXTS.map(({ id, name }) => ({ id, name, is_new: false })),
  voices: Array.from({ length: 130 }, (_, index) => ({
    id: `v0000000-0000-4000-8000-${String(index).padStart(12, "0")}`,
    name: `${["Clara", "Björn", "Amélie", "Tiago", "Ida", "Max"][index % 6]}${index < 6 ? "" : ` ${Math.floor(index / 6) + 1}`}`,
    language: TONGUES[index % 4][0],
    gender: ["female", "male"][index % 2],
  })),
  languages: TONGUES.map(([code, name]) => ({ code, name })),
};
const conversation = { ...base.settings, mode: "FULL", context_id: CONTEXTS[0].id };
const NO_KEY = {
  kind: "AuthenticationError",
  title: "The API key is not accepted",
  detail: "Invalid API key (GET /v1/avatars answered 401).",
  remedy: "Set LIVEAVATAR_API_KEY to a key of your account, or try LiveAvatar.demo(), which needs none.",
  severity: "error",
  action: null,
};
const talks = { ...session, agent_state: "talking" };
const idles = { ...session, agent_state: "idle" };
const LIVEKIT = { kind: "livekit", words: null };
const DRAWN = { kind: "drawn", words: null };
const real = { simulated: false, service: "api.liveavatar.com" };
const sandboxed = { ...base.settings, is_sandbox: true };
const wayne = { value: AVATARS[3].id, avatar: AVATARS[3].id, avatar_name: "Wayne" };

export const FIXTURES = {
  empty: { value: "", avatar: "", avatar_name: "" },
  pick: {},
  loading: { avatars: [], catalogue: { state: "loading", problem: null }, value: "", avatar: "", avatar_name: "" },
  failed_catalogue: {
    avatars: [],
    catalogue: {
      state: "failed",
      problem: {
        kind: "connection",
        title: "The service cannot be reached.",
        detail: "api.liveavatar.com: connection refused, 3 attempts.",
        remedy: "Check the network or a proxy, then reload.",
        severity: "error",
        action: null,
      },
    },
    value: "",
    avatar: "",
    avatar_name: "",
  },
  no_key: {
    ...real,
    avatars: [],
    catalogue: { state: "failed", problem: NO_KEY },
    value: "",
    avatar: "",
    avatar_name: "",
    credits: null,
    credits_problem: NO_KEY.title,
  },
  none: { avatars: [], value: "", avatar: "", avatar_name: "" },
  starting: {
    status: {
      ...session, state: "connecting", steps: STEPS, elapsed: 1.2, credits_used: null, keep_alive_age: null,
    },
  },
  live: { status: session },
  view_none: { still: null },
  view_still: {},
  view_starting: { status: { ...session, state: "connecting", steps: STEPS, elapsed: 1.2, credits_used: null, keep_alive_age: null } },
  view_livekit: { status: { ...idles, room: LIVEKIT } },
  view_other: { status: { ...idles, id: "0ther000-8811-4ab1-8f37-52d3c9a7e4f2", room: LIVEKIT } },
  view_real: { ...real, status: { ...idles, room: LIVEKIT } },
  view_full: { status: { ...idles, mode: "FULL", room: LIVEKIT, can: FULL } },
  view_hold: { status: { ...idles, mode: "FULL", room: LIVEKIT, can: { ...FULL, push_to_talk: true } } },
  view_drawn: { status: { ...idles, room: DRAWN } },
  view_talking: { status: { ...talks, caption: TOUR.text, room: DRAWN } },
  view_ended: {
    status: { ...session, ...over, room: LIVEKIT, state: "ended", elapsed: 242, credits_used: 4.1, end_words: "you stopped it" },
  },
  talk_idle: { status: idles },
  talk_playing: { status: talks, speech: [WELCOME] },
  talk_queue: {
    status: talks,
    sounds: [DROPPED, ...SOUNDS],
    speech: [WELCOME, PRICING, { ...TOUR, state: "queued", played: 0 }, { ...PRICING, id: "u-4" }, { ...PRICING, id: "u-5" }],
  },
  talk_caption: { status: { ...talks, caption: TOUR.text }, speech: [TOUR], transcript: LINES, can_say: true },
  talk_listening: { status: { ...session, agent_state: "listening" }, can_say: true },
  talk_stream: { status: talks, speech: [utterance({ name: "stream", played: 61 })], sounds: MANY },
  talk_ended: { status: idles, speech: [{ ...WELCOME, state: "ended", played: 14.2 }], can_say: true },
  talk_noted: {
    status: idles,
    speech: [
      { ...WELCOME, state: "ended", notes: ["0.02 s of it was louder than full scale and was clipped, first at 1.3 s."] },
    ],
  },
  talk_interrupted: { status: idles, speech: [{ ...WELCOME, state: "interrupted" }], transcript: LINES.slice(0, 1) },
  talk_failed: {
    status: idles,
    speech: [
      {
        ...WELCOME,
        state: "failed",
        problem: {
          kind: "UtteranceFailed",
          title: "It was not said to its end",
          detail: "The session's WebSocket was lost after 8.6 s of it.",
          remedy: "The connection is back: play it again.",
          severity: "error",
          action: null,
        },
      },
    ],
  },
  talk_unreadable: {
    status: idles,
    talk_problem: {
      kind: "AudioError",
      title: "That sound cannot be read",
      detail: "notes.wav cannot be read. It begins with '<!DOCTYPE html': a web page.",
      remedy: "Give a WAV, MP3, OGG, FLAC or M4A file.",
      severity: "error",
      action: null,
    },
  },
  talk_full: { status: converses, transcript: CHAT },
  full_silent: { status: { ...converses, agent_state: "idle" } },
  full_waiting: { status: { ...converses, agent_state: null } },
  full_thinking: { status: { ...converses, agent_state: "thinking" }, transcript: CHAT.slice(0, 3) },
  full_user: { status: { ...converses, user_speaking: true }, transcript: [...CHAT.slice(0, 2), { ...CHAT[2], partial: true }] },
  full_talking: {
    status: { ...converses, agent_state: "talking", caption: CHAT[3].text },
    transcript: [...CHAT.slice(0, 3), { ...CHAT[3], partial: true }],
  },
  full_push: { status: { ...converses, can: { ...FULL, push_to_talk: true } }, transcript: CHAT },
  full_mute: { status: { ...converses, agent_state: "talking", can: { ...FULL, ask: false, listen: false, microphone: false } } },
  full_problem: {
    status: converses,
    transcript: CHAT,
    talk_problem: {
      kind: "RoomNotHeld",
      title: "The session's room is not held",
      detail: "What a conversation is told goes by its room, and no page shows it.",
      remedy: 'Show it by s.view(), or pip install "liveavatar-nb[media]".',
      severity: "error",
      action: null,
    },
  },
  full_over: {
    status: { ...converses, ...over, state: "ended", agent_state: null, elapsed: 242, credits_used: 8.1, end_words: "you stopped it" },
    transcript: CHAT,
    settings: conversation,
    persona: PERSONA,
    context: CONTEXTS[0],
  },
  persona: { settings: conversation, persona: PERSONA, context: CONTEXTS[0] },
  persona_unasked: { settings: { ...conversation, context_id: "" } },
  persona_loading: { settings: conversation, persona: { ...PERSONA, state: "loading" } },
  persona_failed: {
    settings: conversation,
    persona: {
      state: "failed", contexts: [], voices: [], languages: [],
      problem: {
        kind: "connection", title: "Contexts and voices could not be read.", detail: "api.liveavatar.com: connection refused.",
        remedy: "Check the network, then reload.", severity: "error", action: null,
      },
    },
  },
  persona_none: { settings: { ...conversation, context_id: "" }, persona: { ...PERSONA, contexts: [] } },
  persona_unpicked: { settings: { ...conversation, context_id: "" }, persona: PERSONA },
  persona_variables: {
    settings: { ...conversation, context_id: CONTEXTS[1].id, dynamic_variables: { customer: "Ada" } },
    persona: PERSONA,
    context: CONTEXTS[1],
  },
  persona_image: {
    avatars: [{ ...AVATARS[0], type: "IMAGE" }, ...AVATARS.slice(1)],
    settings: conversation,
    persona: PERSONA,
    context: CONTEXTS[0],
  },
  talk_over: {
    status: { ...session, ...over, state: "ended", elapsed: 242, credits_used: 4.1, end_words: "you stopped it" },
    speech: [{ ...TOUR, state: "ended" }],
    transcript: LINES,
    can_say: true,
  },
  real: { ...real, status: session },
  last_minute: { status: { ...session, elapsed: 553, credits_used: 9.2 }, credits: "90.66" },
  sandbox: { ...wayne, settings: sandboxed },
  sandbox_wrong: { settings: sandboxed },
  sandbox_live: {
    ...wayne,
    settings: sandboxed,
    status: {
      ...session,
      avatar_id: AVATARS[3].id,
      avatar_name: "Wayne",
      is_sandbox: true,
      elapsed: 48,
      max_seconds: 60,
      credits_used: 0,
    },
  },
  stopping: { status: { ...session, state: "stopping" } },
  ended: {
    status: { ...session, ...over, state: "ended", elapsed: 242, credits_used: 4.1, end_words: "you stopped it" },
    credits: "95.77",
  },
  unconfirmed: {
    ...real,
    status: {
      ...session,
      ...over,
      state: "failed",
      elapsed: 242,
      credits_used: 4.1,
      confirmed: false,
      end_words: "The service did not confirm the stop of session 5e550000 (no response in time)",
    },
    problem: {
      kind: "StopNotConfirmed",
      title: "The stop was not confirmed",
      detail: "The service did not confirm the stop of session 5e550000 (no response in time).",
      remedy: "It is billed until it stops, at the latest when it reaches its cap, at 14:32:10. The stop is being retried in the background. Call stop() to retry now.",
      severity: "error",
      action: null,
    },
  },
  degraded: { status: { ...session, degraded: true, keep_alive_age: 192 } },
  unwatched: { status: { ...session, unwatched_left: 24 } },
  warnings: {
    ...real,
    status: { ...session, elapsed: 553, degraded: true, keep_alive_age: 192, unwatched_left: 24 },
    orphans: [ORPHAN],
  },
  elsewhere: { ...real, elsewhere: [ELSEWHERE] },
  visitors: { ...real, elsewhere: [ELSEWHERE, { ...ELSEWHERE, id: "5e550000-0000-4000-8000-000000000012", is_watched: true, left: null }] },
  orphan: { ...real, orphans: [ORPHAN] },
  orphans: { ...real, status: session, orphans: [ORPHAN, { ...ORPHAN, id: "5e550000-0000-4000-8000-000000000010", minutes: 1.1 }] },
  abandoned: {
    status: { ...session, ...over, state: "ended", elapsed: 242, credits_used: 4.1, end_words: "no page showed it for 60 s" },
  },
  concurrency: {
    ...real,
    orphans: [ORPHAN],
    problem: {
      kind: "ConcurrencyLimitError",
      title: "Too many sessions at once",
      detail: "Session concurrency limit reached (POST /v1/sessions/start answered 403).",
      remedy:
        "These run: 1 of left over: its kernel died. stop_orphans() stops those left over, stop_all() every one of the account.",
      severity: "error",
      action: { label: "Stop what is left over", command: "stop_orphans", args: {} },
    },
  },
  failed: {
    status: {
      ...session, ...over, state: "failed", elapsed: 20, credits_used: 0.3, end_words: "the avatar never connected",
    },
  },
  no_credits: {
    credits: "0.40",
    problem: {
      kind: "credits",
      title: "Not enough credits.",
      detail: "A start needs at least 1, this account has 0.40. Nothing was started.",
      remedy: "Add credits, or try the sandbox: free, one minute, avatar Wayne.",
      severity: "error",
      action: { label: "Use the sandbox", command: "configure", args: { is_sandbox: true } },
    },
  },
  credits_unknown: { credits: null, credits_problem: "The service did not say." },
  thousand_picked: { avatars: THOUSAND, value: THOUSAND[600].id },
  thousand: { avatars: THOUSAND, value: THOUSAND[0].id, avatar: THOUSAND[0].id, avatar_name: THOUSAND[0].name },
};

const BEGAN = 1_800_000_000;

function row(seq, changes) {
  return {
    seq, change: seq, at: BEGAN + seq * 0.4, kind: "websocket", direction: "sent", name: "agent.speak", note: "", ms: null,
    size: 38_488, payload: '{\n  "type": "agent.speak",\n  "event_id": "0f2c",\n  "audio": "0.60 s, 28,800 bytes"\n}',
    curl: null, python: "import os\n\nfrom websockets.sync.client import connect\n", ...changes,
  };
}

function rest(seq, name, note, ms, payload) {
  return row(seq, {
    kind: "rest", name, note, ms, size: 612, payload: JSON.stringify(payload, null, 2),
    curl: `curl --request ${name.split(" ")[0]} https://api.liveavatar.com${name.split(" ")[1]}`,
    python: "import httpx\n\nresponse = httpx.request(...)\n",
  });
}

const TOKEN = {
  request: { mode: "LITE", avatar_id: AVATARS[0].id, is_sandbox: false, max_session_duration: 600 },
  answer: { code: 1000, data: { session_id: session.id, session_token: "<masked>" }, message: "Session token created" },
};

/** What Python's log has, by the fixture's name after `wire=`. */
export const WIRE = {
  none: [],
  some: [
    rest(1, "GET /v1/avatars", "200", 48.2, { answer: { code: 1000, data: { count: 12 } } }),
    rest(2, "POST /v1/sessions/token", "200", 121.7, TOKEN),
    rest(3, "POST /v1/sessions/start", "201", 1412, { answer: { code: 1000 } }),
    row(4, { direction: "received", name: "session.state_updated", note: "connected", python: null, size: 61, payload: '{\n  "state": "connected"\n}' }),
    ...Array.from({ length: 6 }, (_, index) => row(5 + index, {})),
    row(11, { name: "agent.speak_end", size: 64 }),
    row(12, { direction: "received", name: "agent.speak_started", python: null, size: 88 }),
    rest(13, "POST /v1/sessions/keep-alive", "429", 12, { answer: { code: 4029, message: "Too many requests" } }),
    rest(14, "GET /v1/users/credits", "no answer: connection refused", 5001, null),
    row(15, { direction: "received", name: "error", note: "", python: null, size: 70 }),
  ],
  many: Array.from({ length: 10_000 }, (_, index) =>
    index % 50 === 0
      ? rest(index + 1, `GET /v1/sessions/${index}`, "200", 20 + (index % 70), { answer: { number: index } })
      : row(index + 1, index % 2 ? {} : { direction: "received", name: "agent.audio_buffer_appended", python: null, size: 90 }),
  ),
};

export const TIMINGS = [
  { step: "token", count: 3, p50: 0.1217, p95: 0.182 },
  { step: "start", count: 3, p50: 1.412, p95: 1.77 },
  { step: "connected", count: 3, p50: 1.934, p95: 2.41 },
  { step: "first_word", count: 8, p50: 0.412, p95: 0.588 },
  { step: "interrupt_to_silence", count: 2, p50: 0.061, p95: 0.083 },
];

export function wireRow(seq, changes) {
  return row(seq, changes);
}

export function traits(name) {
  const changes = FIXTURES[name];
  if (!changes) throw new Error(`no fixture ${name}`);
  return structuredClone({ ...base, ...changes });
}
